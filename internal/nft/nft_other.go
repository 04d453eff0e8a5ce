//go:build !linux

package nft

// Set is for Linux only.
func (t Table) Set(Rules) error { return ErrUnsupported }

// Remove is for Linux only.
func (t Table) Remove() error { return ErrUnsupported }

// Counts is for Linux only.
func (t Table) Counts() ([]Count, error) { return nil, ErrUnsupported }

// List is for Linux only.
func (t Table) List() ([]string, error) { return nil, ErrUnsupported }
