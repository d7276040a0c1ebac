// The door. The subcommands stand in cli/commands.def.
#include "cli/cli.h"

#include <unistd.h>

int main(int argc, char *argv[]) {
    return fq_cli_main(argc, argv, environ);
}
