// Counts the words of the lines in the queue "lines", as one of any number of workers, until none comes for a second.
//
//     worker                  the broker: WHERRY_URL, or tcp://127.0.0.1:1973
//
// A queue delivers at least once: a worker may die after it counted and before it said so.  So saying so and counting are
// one transaction: the line is acked and its words are added to the key "words", or neither.  However often a line comes,
// it is counted once.

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <wherry/messaging.h>

static unsigned count_words(const char *text, size_t len)
{
	unsigned count = 0;
	for (size_t i = 0; i < len; i++)
		count += !isspace((unsigned char)text[i]) && (i == 0 || isspace((unsigned char)text[i - 1]));
	return count;
}

// Of the value, a MessagePack text: where it begins.
static size_t head_of(const unsigned char *value)
{
	return value[0] == 0xdb ? 5 : value[0] == 0xda ? 3 : value[0] == 0xd9 ? 2 : 1;
}

// [[["queue.ack", ["lines", token]], ["kv.incr", ["words", count]]]]
static size_t put_transaction(char *to, const wherry_job *job, unsigned count)
{
	static const char ack[] = "\x91\x92\x92\xa9queue.ack\x92\xa5lines";
	static const char add[] = "\x92\xa7kv.incr\x92\xa5words\xcd";
	char *at = to;
	memcpy(at, ack, sizeof(ack) - 1);
	at += sizeof(ack) - 1;
	memcpy(at, job->token, job->token_len);
	at += job->token_len;
	memcpy(at, add, sizeof(add) - 1);
	at += sizeof(add) - 1;
	*at++ = (char)(count >> 8);
	*at++ = (char)count;
	return (size_t)(at - to);
}

// OK: it is counted.  Else somebody else counts it: it was taken from this worker, or goes back when it leaves.
static int work(wherry_client *client, wherry_job *job)
{
	char transaction[256];
	const unsigned char *value = job->value;
	size_t head = head_of(value);
	wherry_reply reply = {0};
	size_t len = put_transaction(transaction, job, count_words((const char *)value + head, job->value_len - head));
	int status = wherry_client_call(client, "tx.exec", transaction, len, NULL, 0, &reply);
	if (status != WHERRY_OK)
		fprintf(stderr, "worker: %s: %s\n", reply.error.name, reply.error.text);
	wherry_job_forget(job); // the transaction has acked it
	wherry_reply_free(&reply);
	return status;
}

int main(void)
{
	const char *url = getenv("WHERRY_URL");
	const char *const queues[] = {"lines"};
	const wherry_consume_options options = {
	    .size = sizeof(options), .queues = queues, .queue_count = 1, .prefetch = 8};
	wherry_client *client;
	wherry_consumer *consumer;
	wherry_job *job;
	wherry_error error;
	int done = 0;
	if (wherry_client_open(url != NULL ? url : "tcp://127.0.0.1:1973", NULL, &client, &error) != WHERRY_OK ||
	    wherry_client_consume(client, &options, &consumer, &error) != WHERRY_OK) {
		fprintf(stderr, "worker: %s\n", error.text);
		return 1;
	}
	int status;
	while ((status = wherry_consumer_next(consumer, 1000, &job, &error)) == WHERRY_OK)
		done += work(client, job) == WHERRY_OK;
	if (status != WHERRY_ETIMEOUT)
		fprintf(stderr, "worker: %s: %s\n", error.name, error.text);
	wherry_consumer_stop(consumer, -1);
	wherry_consumer_close(consumer);
	wherry_client_close(client);
	printf("worker %d: %d lines\n", (int)getpid(), done);
	return status != WHERRY_ETIMEOUT;
}
