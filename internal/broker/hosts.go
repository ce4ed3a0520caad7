package broker

import (
	"context"
	"fmt"
	"net"
	"strings"
)

// ForeignMemberError says that the group has a member on another host.
type ForeignMemberError struct {
	Host, ClientID string
}

func (e *ForeignMemberError) Error() string {
	return fmt.Sprintf("a member on another host, %s (client %s), is in the group, and the embedded ledger of this host does not "+
		"know what that one delivered: nothing is consumed here until it has left; run one worker in the group", e.Host, e.ClientID)
}

// checkHosts returns a ForeignMemberError where the group has a member on another host, and the source may not share it.
//
// It asks before the join, so that a worker that waits for another one to go does not disturb it, and after it, because
// two may have joined at once: then both leave, and the one that asks first joins again. Before the join it knows its host
// by the addresses of its interfaces, afterwards also by what the broker sees: behind a NAT its own member of a moment ago
// looks like a stranger until the session time-out.
func (s *Source) checkHosts(ctx context.Context, memberID string) error {
	if !s.cfg.OneHost {
		return nil
	}
	group, err := s.c.Group(ctx, s.cfg.Group)
	if err != nil {
		return err
	}
	own, err := ownAddresses()
	if err != nil {
		return err
	}
	for _, m := range group.Members {
		if m.ID == memberID {
			own[host(m)] = true
		}
	}
	for _, m := range group.Members {
		if !own[host(m)] {
			return &ForeignMemberError{Host: host(m), ClientID: m.ClientID}
		}
	}
	return nil
}

// host is the address of a member in its usual form.
func host(m Member) string {
	text := strings.TrimPrefix(m.Host, "/")
	if ip := net.ParseIP(text); ip != nil {
		return ip.String()
	}
	return text
}

// ownAddresses are those of this host's interfaces.
func ownAddresses() (map[string]bool, error) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("addresses of this host: %w", err)
	}
	own := map[string]bool{}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok {
			own[n.IP.String()] = true
		}
	}
	return own, nil
}
