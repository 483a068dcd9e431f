/* Holds SpiceDB's shared library for serve.mjs, which speaks to it by frames on stdin and stdout.
 *
 * usage: library PATH-OF-LIBSPICEDB
 * request:  u32 id, u32 function, u64 instance, u32 length, bytes      (integers in the machine's order)
 * answer:   u32 id, u32 status, u32 length, bytes                      (status 0: a result, 1: an error text)
 * Function 0 starts an instance and answers JSON; the others take and answer protobuf. Ends with its stdin. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef char *(*start_fn)(const char *options);
typedef void (*call_fn)(unsigned long long, const unsigned char *, int, unsigned char **, int *, char **);

static const char *names[] = {
    "spicedb_start",
    "spicedb_permissions_check_permission",
    "spicedb_permissions_check_bulk_permissions",
    "spicedb_permissions_expand_permission_tree",
    "spicedb_permissions_write_relationships",
    "spicedb_permissions_delete_relationships",
    "spicedb_schema_read_schema",
    "spicedb_schema_write_schema",
};
#define FUNCTIONS (sizeof names / sizeof *names)
static void *functions[FUNCTIONS];
static pthread_mutex_t output = PTHREAD_MUTEX_INITIALIZER;

struct request {
    uint32_t id, function;
    uint64_t instance;
    uint32_t length;
    unsigned char *bytes;
};

static void answer(uint32_t id, uint32_t status, const void *bytes, uint32_t length) {
    uint32_t head[3] = {id, status, length};
    pthread_mutex_lock(&output);
    fwrite(head, sizeof head, 1, stdout);
    if (length > 0) fwrite(bytes, length, 1, stdout);
    fflush(stdout);
    pthread_mutex_unlock(&output);
}

static void *run(void *argument) {
    struct request *r = argument;
    if (r->function == 0) {
        char *json = ((start_fn)functions[0])("{\"datastore\":\"memory\"}");
        answer(r->id, 0, json, strlen(json));
        free(json);
    } else {
        unsigned char *bytes = NULL;
        char *error = NULL;
        int length = 0;
        ((call_fn)functions[r->function])(r->instance, r->bytes, (int)r->length, &bytes, &length, &error);
        if (error) answer(r->id, 1, error, strlen(error));
        else answer(r->id, 0, bytes, (uint32_t)length);
        free(bytes);
        free(error);
    }
    free(r->bytes);
    free(r);
    return NULL;
}

static int take(void *to, size_t length) { return length == 0 || fread(to, length, 1, stdin) == 1; }

int main(int argc, char **argv) {
    void *library = argc == 2 ? dlopen(argv[1], RTLD_NOW) : NULL;
    if (!library) return fprintf(stderr, "SpiceDB's library cannot be loaded: %s\n", argc == 2 ? dlerror() : "no path"), 1;
    for (size_t i = 0; i < FUNCTIONS; i++)
        if (!(functions[i] = dlsym(library, names[i]))) return fprintf(stderr, "%s\n", dlerror()), 1;
    for (;;) {
        struct request *r = calloc(1, sizeof *r);
        pthread_t thread;
        if (!r || !take(&r->id, 4) || !take(&r->function, 4) || !take(&r->instance, 8) || !take(&r->length, 4)) return 0;
        if (r->function >= FUNCTIONS || !(r->bytes = malloc(r->length + 1)) || !take(r->bytes, r->length)) return 1;
        if (pthread_create(&thread, NULL, run, r) != 0) return 1;
        pthread_detach(thread);
    }
}
