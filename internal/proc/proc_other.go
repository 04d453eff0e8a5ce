//go:build !linux

package proc

import "context"

// Supervisor is for Linux only.
type Supervisor struct{}

// NewSupervisor is for Linux only.
func NewSupervisor(bool, func(Ended)) (*Supervisor, error) { return nil, ErrUnsupported }

// Close is for Linux only.
func (*Supervisor) Close(context.Context) error { return ErrUnsupported }

// Start is for Linux only.
func (*Supervisor) Start(Command) (Stat, error) { return Stat{}, ErrUnsupported }

// Server is for Linux only.
func (*Supervisor) Server() (Stat, bool) { return Stat{}, false }

// Tree is for Linux only.
func (*Supervisor) Tree() ([]Stat, error) { return nil, ErrUnsupported }

// Kill is for Linux only.
func (*Supervisor) Kill(context.Context) ([]int, error) { return nil, ErrUnsupported }

// Stop is for Linux only.
func (*Supervisor) Stop(context.Context) ([]int, error) { return nil, ErrUnsupported }

// Continue is for Linux only.
func (*Supervisor) Continue(context.Context) ([]int, error) { return nil, ErrUnsupported }

// Table is for Linux only.
func Table() ([]Stat, error) { return nil, ErrUnsupported }

// Look is for Linux only.
func Look(int) (Stat, error) { return Stat{}, ErrUnsupported }
