// Manual pages in the man(7) macros, on standard output: text in, escaped; one line of it never becomes a request.
// The command line is built with it, too.

#ifndef DAEMON_ROFF_H
#define DAEMON_ROFF_H

void roff_page(const char *name, int section, const char *title); // .TH
void roff_section(const char *title);                             // .SH
void roff_sub(const char *title);                                 // .SS
void roff_text(const char *text);                                 // a paragraph's words, filled
void roff_paragraph(void);                                        // .PP
void roff_item(const char *term);     // .TP: what follows stands indented under the bold term
void roff_verbatim(const char *text); // lines as they are

#endif
