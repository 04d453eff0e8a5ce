// Stays in vfork: the child says so and then waits, as one does that is about to
// execute a program from a slow disk.
#include <unistd.h>

int main(void) {
	if (vfork() == 0) {
		write(1, "child\n", 6);
		for (;;) pause();
	}
	return 0;
}
