//go:build !race

package history

// stride is the distance between the bytes that are flipped.
const stride = 1
