// The block that is written into the vDSO on arm64. The hexadecimal text in
// stub.go is made from it:
//   llvm-mc -triple=aarch64 -filetype=obj arm64.s | llvm-objcopy -O binary --only-section=.text - -
.text
        .ascii  "ordealv1"              // 0: signature
index:  .quad   0                       // 8: which slot is in force
slots:  .quad   0, 0, 0, 0              // 16: seconds, nanoseconds, microseconds
        .quad   0, 0, 0, 0              // 48: the same again

// int clock_gettime(clockid_t w0, struct timespec *x1)
clock_gettime:                          // 80
        mov     w9, w0
        mov     x8, #113
        svc     #0                      // spoils x0 only
        cbnz    x0, 1f
        cbz     w9, 2f                  // CLOCK_REALTIME
        cmp     w9, #5                  // CLOCK_REALTIME_COARSE
        b.eq    2f
1:      ret
2:      adr     x10, slots
        ldurb   w11, [x10, #-8]
        add     x10, x10, x11, lsl #5
        ldp     x11, x12, [x10]
        ldp     x13, x14, [x1]
        add     x13, x13, x11
        add     x14, x14, x12
        mov     w15, #0xca00            // 1000000000
        movk    w15, #0x3b9a, lsl #16
        cmp     x14, x15
        b.lt    3f
        sub     x14, x14, x15
        add     x13, x13, #1
3:      stp     x13, x14, [x1]
        ret

// int gettimeofday(struct timeval *x0, struct timezone *x1)
gettimeofday:
        mov     x9, x0
        mov     x8, #169
        svc     #0
        cbnz    x0, 1f
        cbnz    x9, 2f
1:      ret
2:      adr     x10, slots
        ldurb   w11, [x10, #-8]
        add     x10, x10, x11, lsl #5
        ldr     x11, [x10]
        ldr     x12, [x10, #16]
        ldp     x13, x14, [x9]
        add     x13, x13, x11
        add     x14, x14, x12
        mov     w15, #0x4240            // 1000000
        movk    w15, #0xf, lsl #16
        cmp     x14, x15
        b.lt    3f
        sub     x14, x14, x15
        add     x13, x13, #1
3:      stp     x13, x14, [x9]
        ret
