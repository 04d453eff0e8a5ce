package proc

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Table reads the state of every process that can be seen.
func Table() ([]Stat, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var all []Stat
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		s, err := Look(pid)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // it ended meanwhile
		}
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// Look reads the state of one process. The error is os.ErrNotExist or ESRCH if
// there is none.
func Look(pid int) (Stat, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Stat{}, err
	}
	s, err := parseStat(string(text))
	if err == nil && s.State == 'D' && held(pid) {
		s.State = 'T'
	}
	return s, err
}

// held reports whether a process in an uninterruptible wait will stop before it
// executes another instruction of its program. It is so for one that waits for
// its child to execute a program (vfork) while the child is stopped: it would
// never be seen as stopped.
func held(pid int) bool {
	names, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil {
		return false
	}
	stopping := pending(pid, syscall.SIGSTOP)
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // the thread ended
		}
		s, err := parseStat(string(text))
		switch {
		case err != nil || s.State != 'D' && !s.Stopped() && !s.Dead():
			return false
		case s.Stopped():
			stopping = true
		}
	}
	return stopping
}

// pending reports whether a signal was sent to a process and not taken yet.
func pending(pid int, sig syscall.Signal) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		if mask, ok := strings.CutPrefix(line, "ShdPnd:"); ok {
			set, err := strconv.ParseUint(strings.TrimSpace(mask), 16, 64)
			return err == nil && set&(1<<(sig-1)) != 0
		}
	}
	return false
}

// parseStat reads "PID (NAME) STATE PPID PGRP SESSION … START …". The name may
// hold any character, parentheses and spaces included.
func parseStat(text string) (Stat, error) {
	open, shut := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	if open < 0 || shut < open {
		return Stat{}, fmt.Errorf("proc: not a stat file: %.80q", text)
	}
	fields := strings.Fields(text[shut+1:])
	const state, parent, session, start = 0, 1, 3, 19
	if len(fields) <= start {
		return Stat{}, fmt.Errorf("proc: not a stat file: %.80q", text)
	}
	s := Stat{Name: text[open+1 : shut], State: fields[state][0]}
	var errs [4]error
	s.PID, errs[0] = strconv.Atoi(strings.TrimSpace(text[:open]))
	s.PPID, errs[1] = strconv.Atoi(fields[parent])
	s.Session, errs[2] = strconv.Atoi(fields[session])
	s.Start, errs[3] = strconv.ParseUint(fields[start], 10, 64)
	if err := errors.Join(errs[:]...); err != nil {
		return Stat{}, fmt.Errorf("proc: not a stat file: %w", err)
	}
	return s, nil
}
