package dedup

import (
	"crypto/sha1"
	_ "embed"
	"encoding/hex"
)

// script is one transition. It is called by its digest, which the server knows once it has seen the text.
type script struct{ text, digest string }

// scripts are all of them.
type scripts struct{ claim, settle, failed, release, forget, epoch, accept *script }

var (
	//go:embed lua/row.lua
	rowLua string
	//go:embed lua/claim.lua
	claimLua string
	//go:embed lua/settle.lua
	settleLua string
	//go:embed lua/failed.lua
	failedLua string
	//go:embed lua/release.lua
	releaseLua string
	//go:embed lua/forget.lua
	forgetLua string
	//go:embed lua/epoch.lua
	epochLua string
	//go:embed lua/accept.lua
	acceptLua string
)

var theScripts = &scripts{
	claim: newScript(rowLua + claimLua), settle: newScript(rowLua + settleLua), failed: newScript(rowLua + failedLua),
	release: newScript(rowLua + releaseLua), forget: newScript(rowLua + forgetLua),
	epoch: newScript(epochLua), accept: newScript(acceptLua),
}

func newScript(text string) *script {
	sum := sha1.Sum([]byte(text)) // what EVALSHA names a script by
	return &script{text: text, digest: hex.EncodeToString(sum[:])}
}
