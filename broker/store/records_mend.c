// Removal from the tree of the records, and the joining of thin nodes.  Takes no memory.  See records_form.h.

#include "store/records_form.h"

// Takes a child out of its parent; answers the separator that nothing needs any more, NULL if there is none.
static struct separator *inner_remove(struct inner *inner, unsigned at)
{
	unsigned dropped = at > 0 ? at : 1;
	struct separator *separator = inner->count > 1 ? inner->separator[dropped] : NULL;
	inner_carry(inner, at, inner, at + 1, inner->count - at - 1);
	inner->count--;
	return separator;
}

static void leaf_unlink(struct records *r, struct leaf *leaf)
{
	if (leaf->prev != NULL)
		leaf->prev->next = leaf->next;
	if (leaf->next != NULL)
		leaf->next->prev = leaf->prev;
	form_free(r, leaf, LEAF_BYTES);
}

// Joins a child with the next if a quarter stays free, so that the next few insertions do not split it again.
static bool leaf_join(struct records *r, struct inner *parent, unsigned at)
{
	if (at + 1 == parent->count)
		return false;
	struct leaf *left = parent->child[at], *right = parent->child[at + 1];
	if (page_live(&left->page) + page_live(&right->page) > LEAF_PAGE - LEAF_PAGE / 4)
		return false;
	if (page_free(&left->page) < page_live(&right->page))
		page_pack(&left->page);
	page_append(&left->page, &right->page, 0, right->page.count);
	parent->below[at] += parent->below[at + 1];
	separator_free(r, inner_remove(parent, at + 1));
	leaf_unlink(r, right);
	return true;
}

static void leaf_mend(struct records *r, struct inner *parent, unsigned at)
{
	struct leaf *leaf = parent->child[at];
	if (leaf->page.count == 0) {
		leaf_unlink(r, leaf);
		separator_free(r, inner_remove(parent, at));
	} else if (page_live(&leaf->page) < LEAF_PAGE / 2 && !leaf_join(r, parent, at) && at > 0) {
		leaf_join(r, parent, at - 1);
	}
}

static bool inner_join(struct records *r, struct inner *parent, unsigned at)
{
	if (at + 1 == parent->count)
		return false;
	struct inner *left = parent->child[at], *right = parent->child[at + 1];
	if (left->count + right->count > TREE_FANOUT - TREE_FANOUT / 4)
		return false;
	inner_carry(left, left->count, right, 0, right->count);
	parent->below[at] += parent->below[at + 1];
	inner_separate(left, left->count, inner_remove(parent, at + 1));
	left->count += right->count;
	form_free(r, right, sizeof *right);
	return true;
}

static void inner_mend(struct records *r, struct inner *parent, unsigned at)
{
	struct inner *inner = parent->child[at];
	if (inner->count == 0) {
		form_free(r, inner, sizeof *inner);
		separator_free(r, inner_remove(parent, at));
	} else if (inner->count < TREE_FANOUT / 2 && !inner_join(r, parent, at) && at > 0) {
		inner_join(r, parent, at - 1);
	}
}

void tree_mend(struct records *r, const struct path *path)
{
	struct tree *tree = r->tree;
	if (tree->height == 0 || tree->count == 0)
		return;
	unsigned level = tree->height - 1;
	leaf_mend(r, path->node[level], path->at[level]);
	for (; level > 0; level--)
		inner_mend(r, path->node[level - 1], path->at[level - 1]);
	struct inner *root = tree->root;
	while (tree->height > 0 && root->count == 1) {
		tree->root = root->child[0];
		form_free(r, root, sizeof *root);
		root = tree->root;
		tree->height--;
	}
}

bool tree_del(struct records *r, wherry_span subkey)
{
	struct tree *tree = r->tree;
	struct path path;
	struct leaf *leaf = tree_descend(tree, subkey, &path);
	bool found;
	unsigned index = page_find(&leaf->page, subkey, &found);
	if (!found)
		return false;
	tree->bytes -= page_cell_size(&leaf->page, index);
	r->memory -= page_remove(&leaf->page, index);
	leaf->recent -= index <= leaf->recent;
	tree->count--;
	for (unsigned level = 0; level < tree->height; level++)
		path.node[level]->below[path.at[level]]--;
	tree_mend(r, &path);
	return true;
}
