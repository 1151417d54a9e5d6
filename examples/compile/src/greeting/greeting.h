#ifndef GREETING_H
#define GREETING_H

/* Write a greeting to `whom` into `buffer`, which holds `size` bytes; returns its length, as snprintf() does. */
int greet(char *buffer, unsigned long size, const char *whom);

#endif
