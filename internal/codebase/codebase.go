// Package codebase holds tests about the code as a whole: who may import whom,
// that every package explains itself, and that actors keep the rules of actors.
// It has no code of its own.
package codebase
