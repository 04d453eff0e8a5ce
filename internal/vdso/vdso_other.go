//go:build !linux

package vdso

import (
	"context"
	"time"
)

// Read is for Linux only.
func Read(int) (State, error) { return State{}, ErrUnsupported }

// Set is for Linux only.
func Set(context.Context, int, time.Duration) (State, error) { return State{}, ErrUnsupported }

// Restore is for Linux only.
func Restore(context.Context, int) (State, error) { return State{}, ErrUnsupported }

// Check is for Linux only.
func Check() error { return ErrUnsupported }
