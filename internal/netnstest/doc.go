// Package netnstest gives tests network namespaces of their own, joined by
// virtual cables, so that rules and cuts can be tried without touching the host.
// It is for tests only, needs Linux and root, and skips them otherwise.
package netnstest
