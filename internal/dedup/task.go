package dedup

import "context"

// task is other work on the writer's connection: in the transaction of a group, or alone between two of them.
type task struct {
	run   func(w *writer) error
	alone bool
	done  chan error
}

// do runs f on the writer's connection and waits until it is durable.
func (s *SQLite) do(ctx context.Context, alone bool, f func(w *writer) error) error {
	t := &task{run: f, alone: alone, done: make(chan error, 1)}
	if err := queue(ctx, s, s.tasks, t); err != nil {
		return err
	}
	select {
	case err := <-t.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-s.writer.ended:
	}
	select {
	case err := <-t.done:
		return err
	default:
		return ErrClosed
	}
}
