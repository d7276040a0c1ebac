// The contract's machine-readable form, api/openapi.yaml, as it was when the program was built.
__asm__(".section .rodata\n"
        ".global fq_openapi_text\n"
        ".global fq_openapi_end\n"
        "fq_openapi_text:\n"
        ".incbin \"" FQ_OPENAPI_FILE "\"\n"
        "fq_openapi_end:\n"
        ".byte 0\n"
        ".previous\n");
