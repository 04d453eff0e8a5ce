// Prints, for each line of input, by how many milliseconds the clocks that libc
// reads differ from those that the system calls give. A line with an f forks a
// child that waits, and prints its process id.
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long ms(const struct timespec *t) { return t->tv_sec * 1000 + t->tv_nsec / 1000000; }

static long off(clockid_t id) {
	struct timespec a, b;
	syscall(SYS_clock_gettime, id, &a);
	clock_gettime(id, &b);
	return ms(&b) - ms(&a);
}

int main(void) {
	char line[10];
	setlinebuf(stdout);
	while (fgets(line, sizeof line, stdin)) {
		if (line[0] == 'f') {
			int pid = fork();
			if (pid == 0) pause();
			printf("%d\n", pid);
			continue;
		}
		struct timespec now;
		struct timeval tv;
		time_t seconds;
		syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
		gettimeofday(&tv, NULL);
		gettimeofday(NULL, NULL);
		time(&seconds);
		printf("real=%ld coarse=%ld mono=%ld monocoarse=%ld monoboot=%ld gettimeofday=%ld time=%ld timep=%ld\n",
			off(CLOCK_REALTIME), off(CLOCK_REALTIME_COARSE), off(CLOCK_MONOTONIC), off(CLOCK_MONOTONIC_COARSE),
			off(CLOCK_BOOTTIME), tv.tv_sec * 1000 + tv.tv_usec / 1000 - ms(&now),
			time(NULL) * 1000 - ms(&now), seconds * 1000 - ms(&now));
	}
	return 0;
}
