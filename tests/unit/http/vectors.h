// The raw requests of tests/vectors/security/http-malformed.json, for the tests of parser and
// server.
#pragma once

#include "base/str.h"

typedef struct {
    char id[64];
    char *bytes;
    size_t len;
    int expect[8];
    size_t expect_count;
    bool close, well_formed;
    int answers_at_most;
} raw_request;

// Reads all of them; the caller frees with free_raw_requests. Stops the test when the file is not
// as it should be.
raw_request *load_raw_requests(size_t *out_count);
void free_raw_requests(raw_request *requests, size_t count);
bool raw_request_expects(const raw_request *request, int status);
