package dedup

const roleVariable = "DEDUP_TEST_ROLE"

func playRole(string) int { return 2 }
