package simulator

import (
	"fmt"
	"maps"
	"slices"
)

// App is what the simulator knows of one app key.
type App struct {
	// Secret is the app secret.
	Secret string
	// Sessions are the tokens that are good. Any other gets code 27.
	Sessions []string
	// Expired are tokens that get code 27 with session-expired.
	Expired []string
	// Methods are the methods that the app may call; another gets code 11. Empty = all.
	Methods []string
}

// app is an App made ready for look-ups. It is not changed.
type app struct {
	App
	sessions, expired, methods map[string]bool
}

func newApp(a App) *app {
	return &app{App: a, sessions: set(a.Sessions), expired: set(a.Expired), methods: set(a.Methods)}
}

func set(names []string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, name := range names {
		m[name] = true
	}
	return m
}

func (a *app) permits(method string) bool { return len(a.methods) == 0 || a.methods[method] }

// app returns nil where the key is unknown.
func (s *Simulator) app(key string) *app { return (*s.apps.Load())[key] }

// sessionOfAnother tells whether any app has the token.
func (s *Simulator) sessionOfAnother(token string) bool {
	for _, a := range *s.apps.Load() {
		if a.sessions[token] || a.expired[token] {
			return true
		}
	}
	return false
}

// SetApp adds an app key or replaces what is known of it, for calls that come from now on: a new secret, a session
// that ends. Safe at any time.
func (s *Simulator) SetApp(key string, a App) error {
	if err := checkApp(key, a); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	next := maps.Clone(*s.apps.Load())
	next[key] = newApp(a)
	s.apps.Store(&next)
	return nil
}

func checkApp(key string, a App) error {
	if key == "" {
		return fmt.Errorf("simulator: an app key is empty")
	}
	if a.Secret == "" {
		return fmt.Errorf("simulator: app key %s has no secret", key)
	}
	if slices.Contains(a.Sessions, "") {
		return fmt.Errorf("simulator: app key %s has an empty session", key)
	}
	return nil
}
