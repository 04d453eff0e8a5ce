//go:build race

package history

// stride thins out the flipping of every bit where the race detector makes it
// slow; there is no concurrency in it to detect.
const stride = 13
