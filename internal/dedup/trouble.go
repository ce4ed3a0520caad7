package dedup

import (
	"errors"
	"fmt"
)

var (
	// ErrBroken says that the store met an error after which nobody can know what is on the disk: an input/output or
	// fsync error (a second fsync may report success for pages that the kernel has already dropped), or a damaged file.
	// Every later call fails until a new process opens the store.
	ErrBroken = errors.New("the store is broken until the worker is restarted")
	// ErrFull says that the disk is full. The store goes on by itself when there is room again.
	ErrFull = errors.New("the disk of the store is full")
	// ErrLocked says that another process has the store open.
	ErrLocked = errors.New("the store is locked by another process")
	// ErrClosed says that the store was closed.
	ErrClosed = errors.New("the store is closed")

	errCompleting = errors.New("the claim is being completed already")
)

// Result codes of SQLite (https://sqlite.org/rescode.html), the low byte of an extended code.
const (
	codeError      = 1
	codeBusy       = 5
	codeLocked     = 6
	codeNoMemory   = 7
	codeReadOnly   = 8
	codeIO         = 10
	codeCorrupt    = 11
	codeFull       = 13
	codeCantOpen   = 14
	codeNotADB     = 26
	extendedIOSync = codeIO | 4<<8
)

// codeOf is the SQLite result code of err; 0 where it has none.
func codeOf(err error) int {
	var coded interface{ Code() int }
	if errors.As(err, &coded) {
		return coded.Code() & 0xff
	}
	return 0
}

// verdict puts a store error into its class: ErrFull and a file that is busy or a process short of memory leave the
// store as it was and may pass; everything else breaks it, because going on after an error that is not understood is
// how acknowledged writes get lost.
func verdict(err error) (_ error, broken bool) { //nolint:revive // the error is what is judged, broken what it means
	switch codeOf(err) {
	case codeFull:
		return fmt.Errorf("%w: %w", ErrFull, err), false
	case codeBusy, codeLocked, codeNoMemory:
		return err, false
	default:
		return fmt.Errorf("%w: %w", ErrBroken, err), true
	}
}
