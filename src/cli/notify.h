// Telling the service manager (systemd's sd_notify protocol: one datagram to $NOTIFY_SOCKET). Does
// nothing without one.
#pragma once

#include <stdint.h>

void cli_notify(const char *state);
// "RELOADING=1" with the moment, by which the manager tells this reload from others.
void cli_notify_reloading(void);
// How often the watchdog wants to hear, halved; 0 when there is none ($WATCHDOG_USEC).
int64_t cli_notify_watchdog_ms(void);
