// A PostgreSQL of the tests' own: made in a temporary folder, reached by a socket there, gone with
// the test program however that ends. It keeps its settings for durability.
#pragma once

#include <stdbool.h>

typedef struct {
    char folder[64];
    char url[256];  // of the prefix "feiqian"
    int keeper;     // closing it ends the server
} postgres_server;

// Is PostgreSQL installed here?
bool postgres_server_installed(void);
// Starts one. False when it does not start (its own words are on standard error).
bool postgres_server_start(postgres_server *server);
void postgres_server_stop(postgres_server *server);
