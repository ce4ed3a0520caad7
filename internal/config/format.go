package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// formats says what a text must look like, by the tag format. "file", "dir" and "secret" are paths of any form. Messages
// do not repeat URLs, which may hold a password.
var formats = map[string]func(text string) error{
	"address": checkAddress,
	"listen":  checkListen,
	"url":     checkURL,
	"topic":   checkTopic,
	"pointer": checkPointer,
	"prefix":  checkPrefix,
}

func checkAddress(text string) error {
	host, port, err := net.SplitHostPort(text)
	if n, perr := strconv.Atoi(port); err != nil || host == "" || perr != nil || n < 1 || n > 65535 {
		return fmt.Errorf("%s is no address: write host:port, such as 127.0.0.1:9092 or [::1]:9092", quote(text))
	}
	return nil
}

func checkListen(text string) error {
	_, port, err := net.SplitHostPort(text)
	if n, perr := strconv.Atoi(port); err != nil || perr != nil || n < 0 || n > 65535 {
		return fmt.Errorf("%s is no address to listen on: write host:port, such as 127.0.0.1:8080", quote(text))
	}
	return nil
}

func checkURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "" || (u.Scheme != "https" && u.Scheme != "http"):
		return errors.New("the value is no URL: write https://host/path")
	case u.User != nil:
		return errors.New("the URL holds a user name; take it out")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return errors.New("the URL holds a query or a fragment; take it out, the worker adds the parameters itself")
	}
	return nil
}

var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

func checkTopic(text string) error {
	if !topicName.MatchString(text) || text == "." || text == ".." {
		return fmt.Errorf("%s is no topic name: use at most 249 letters, digits, '.', '_' and '-'", quote(text))
	}
	return nil
}

func checkPointer(text string) error {
	if !strings.HasPrefix(text, "/") {
		return fmt.Errorf("%s is no JSON Pointer: begin with '/', such as /order/id", quote(text))
	}
	for i := range len(text) {
		if text[i] == '~' && (i+1 == len(text) || (text[i+1] != '0' && text[i+1] != '1')) {
			return fmt.Errorf("%s is no JSON Pointer: write '~' as ~0 and '/' inside a name as ~1", quote(text))
		}
	}
	return nil
}

func checkPrefix(text string) error {
	if !strings.HasPrefix(text, "/") || strings.HasSuffix(text, "/") || strings.ContainsAny(text, "?#%\\ ") || strings.Contains(text, "//") {
		return fmt.Errorf("%s is no path prefix: begin with '/' and do not end with it, such as /toprelay", quote(text))
	}
	return nil
}

// loopback says whether only this machine can reach the host. An empty host is every interface.
func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
