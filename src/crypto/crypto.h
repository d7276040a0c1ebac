// The room of cryptography: what is done once at start. Everything else has a header of its own
// beside this one.
#pragma once

// Fetches OpenSSL's algorithms, so that no request pays for it. Stops the process when the library
// lacks one. Call once in main; a second call does nothing, and a room that was not asked first
// does it by itself.
void fq_crypto_init(void);
