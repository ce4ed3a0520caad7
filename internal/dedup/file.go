package dedup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// sayBlind is how often it is said again that the file cannot be looked at.
const sayBlind = time.Minute

// lookAtFile breaks the store where its file was removed or replaced: SQLite goes on with what it has open, and the next
// process would know nothing of it. Any other error says nothing about the file, and may pass.
func (u *upkeep) lookAtFile() {
	s := u.store
	now, err := os.Stat(s.path)
	if fault := s.opts.fault("stat"); fault != nil {
		err = fault
	}
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && !os.SameFile(now, s.file):
		s.breakWith(fmt.Errorf("%w: %s was removed or replaced: put it back, or restart the worker with what is there now",
			ErrBroken, s.path))
	case err != nil:
		if time.Since(u.blind) >= sayBlind {
			u.blind = time.Now()
			s.log.Warn("the ledger's file cannot be looked at; the ledger goes on with what it has open", "path", s.path, "error", err)
		}
	case !u.blind.IsZero():
		u.blind = time.Time{}
		s.log.Info("the ledger's file can be looked at again", "path", s.path)
	}
}
