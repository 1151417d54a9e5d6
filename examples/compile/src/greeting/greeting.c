#include "greeting.h"

#include <stdio.h>

int greet(char *buffer, unsigned long size, const char *whom)
{
    return snprintf(buffer, size, "Hello, %s!", whom);
}
