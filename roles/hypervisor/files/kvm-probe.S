# The boot sector behind kvm-probe: a guest that does what every 64-bit kernel does first.
#
# It builds page tables, enters 64-bit mode with paging, switches SSE on, and then works through
# 10^8 turns of a loop with SSE in it. A processor needs less than a second for that. A "KVM"
# that emulates the kernel's mode step by step needs minutes or gives up at the first SSE
# instruction. At the end it writes 0x10 to port 0xf4, which makes QEMU exit with 33.
#
# Build: as --64 -o probe.o kvm-probe.S
#        ld -m elf_x86_64 -Ttext 0x7c00 --oformat binary -o kvm-probe.bin probe.o

        .code16
        .globl _start
_start: cli
        xorw  %ax, %ax
        movw  %ax, %ds
        movw  %ax, %es
        movw  %ax, %ss
        movw  $0x7c00, %sp

        # One 2 MiB page: level 4 at 0x1000, level 3 at 0x2000, level 2 at 0x3000.
        movl  $0x1000, %edi
        xorl  %eax, %eax
        movw  $0x0c00, %cx
        rep stosl
        movl  $0x2003, 0x1000
        movl  $0x3003, 0x2000
        movl  $0x0083, 0x3000
        movl  $0x1000, %eax
        movl  %eax, %cr3

        # CR4: PAE, and OSFXSR and OSXMMEXCPT for SSE.
        movl  %cr4, %eax
        orl   $0x620, %eax
        movl  %eax, %cr4
        # EFER: long mode.
        movl  $0xc0000080, %ecx
        rdmsr
        orl   $0x100, %eax
        wrmsr
        lgdt  gdtr
        # CR0: paging and protection on, SSE not trapped (EM off, MP on).
        movl  %cr0, %eax
        andl  $0xfffffffb, %eax
        orl   $0x80000003, %eax
        movl  %eax, %cr0
        ljmp  $0x08, $long

        .code64
long:   movw  $0x10, %ax
        movw  %ax, %ds
        movw  %ax, %ss
        movabsq $0x123456789abcdef0, %rax
        movq  %rax, 0x9000
        movq  0x9000, %rbx
        cmpq  %rax, %rbx
        jne   stop
        movl  $100000000, %ecx
spin:   incq  %rbx
        paddq %xmm0, %xmm0
        decl  %ecx
        jnz   spin
        movb  $0x10, %al
        outb  %al, $0xf4
stop:   hlt
        jmp   stop

        .balign 8
gdt:    .quad 0
        .quad 0x00209a0000000000
        .quad 0x0000920000000000
gdtr:   .word . - gdt - 1
        .long gdt

        .org 510
        .word 0xaa55
