// How faults of the configuration are worded. For config.c only.
#pragma once

#include "base/config.h"

// How a setting's name is written where it was found: "log.level", "FEIQIAN_LOG_LEVEL",
// "--log-level".
typedef enum { FQ_NAME_OF_FILE, FQ_NAME_OF_ENVIRONMENT, FQ_NAME_OF_FLAG } fq_name_form;

// The same arguments in both languages.
void fq_config_say(fq_config_fault *fault, const char *english, const char *chinese, ...);
void fq_config_say_bad_value(fq_config_fault *fault, const char *origin, const fq_setting_row *row,
                             const char *value);
// Names the nearest known one.
void fq_config_say_unknown(fq_config_fault *fault, const char *origin, const char *name,
                           fq_name_form form);
