#include <greeting.h>

#include <stdio.h>

int main(int argc, char **argv)
{
    char text[128];

    greet(text, sizeof text, argc > 1 ? argv[1] : "stream");
    return puts(text) < 0;
}
