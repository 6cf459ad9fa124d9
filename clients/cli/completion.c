// Scripts for shells.  All they know is how to ask `wherry __complete`: names come from the program's tables and the broker.

#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "complete.h"

// bash takes words apart at : and =; what it gives back has to begin where it took them apart.  Nothing of what comes is
// ever evaluated.
static const char bash[] = "# bash completion for wherry\n"
			   "_wherry() {\n"
			   "	local -a words=()\n"
			   "	local i word join='' current prefix line\n"
			   "	COMPREPLY=()\n"
			   "	for ((i = 1; i <= COMP_CWORD; i++)); do\n"
			   "		word=${COMP_WORDS[i]}\n"
			   "		if [[ -n $join || ( ${#words[@]} -gt 0 && $word == [:=]* ) ]]; then\n"
			   "			words[${#words[@]}-1]+=$word\n"
			   "		else\n"
			   "			words+=(\"$word\")\n"
			   "		fi\n"
			   "		[[ $word == *[:=] ]] && join=1 || join=''\n"
			   "	done\n"
			   "	current=${words[${#words[@]}-1]}\n"
			   "	prefix=${current%\"${current##*[:=]}\"}\n"
			   "	if [[ $current == @* ]]; then\n"
			   "		mapfile -t COMPREPLY < <(compgen -P @ -f -- \"${current#@}\")\n"
			   "		compopt -o filenames 2>/dev/null\n"
			   "		return\n"
			   "	fi\n"
			   "	while IFS= read -r line; do\n"
			   "		if [[ $line == :files ]]; then\n"
			   "			mapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n"
			   "			compopt -o filenames 2>/dev/null\n"
			   "			return\n"
			   "		fi\n"
			   "		line=${line%%$'\\t'*}\n"
			   "		COMPREPLY+=(\"${line#\"$prefix\"}\")\n"
			   "	done < <(\"${1/#\\~/$HOME}\" " COMPLETE_WORD " -- \"${words[@]}\" 2>/dev/null)\n"
			   "}\n"
			   "complete -F _wherry wherry\n";

static const char zsh[] = "#compdef wherry\n"
			  "_wherry() {\n"
			  "	local line\n"
			  "	local -a lines offers\n"
			  "	if [[ $PREFIX == @* ]]; then\n"
			  "		compset -P @\n"
			  "		_files\n"
			  "		return\n"
			  "	fi\n"
			  "	lines=(\"${(@f)$(\"${(Q)words[1]/#\\~/$HOME}\" " COMPLETE_WORD
			  " -- \"${(@Q)words[2,CURRENT]}\" 2>/dev/null)}\")\n"
			  "	for line in ${lines:#}; do\n"
			  "		if [[ $line == :files ]]; then\n"
			  "			_files\n"
			  "			return\n"
			  "		fi\n"
			  "		offers+=(\"${line%%$'\\t'*}:${line#*$'\\t'}\")\n"
			  "	done\n"
			  "	(( $#offers )) && _describe wherry offers\n"
			  "}\n"
			  "if [[ $funcstack[1] == _wherry ]]; then\n"
			  "	_wherry \"$@\"\n"
			  "else\n"
			  "	compdef _wherry wherry\n"
			  "fi\n";

static const char fish[] = "# fish completion for wherry\n"
			   "function __wherry_complete\n"
			   "	set -l words (commandline -opc)\n"
			   "	set -l current (commandline -ct)\n"
			   "	if string match -q '@*' -- $current\n"
			   "		for file in (__fish_complete_path (string sub -s 2 -- $current))\n"
			   "			echo @$file\n"
			   "		end\n"
			   "		return\n"
			   "	end\n"
			   "	type -q $words[1]; or return\n"
			   "	set -l offers ($words[1] " COMPLETE_WORD " -- $words[2..-1] \"$current\" 2>/dev/null)\n"
			   "	if test \"$offers[1]\" = :files\n"
			   "		__fish_complete_path \"$current\"\n"
			   "	else\n"
			   "		printf '%s\\n' $offers\n"
			   "	end\n"
			   "end\n"
			   "complete -c wherry -f -a '(__wherry_complete)'\n";

static const struct {
	const char *shell, *script;
} scripts[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};

int run_completion(const struct settings *s, int argc, char **argv)
{
	(void)s;
	for (size_t i = 0; argc == 2 && i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		if (strcmp(argv[1], scripts[i].shell) != 0)
			continue;
		fputs(scripts[i].script, stdout);
		return finished(EXIT_SUCCESS);
	}
	return wrong("completion takes the name of a shell: bash, zsh or fish");
}

const char completion_help[] =
    "Prints a script for the shell, which completes subcommands, flags, and, where a broker answers within a\n"
    "second, its commands, their options and namespaces. Where wherry is installed for the whole system the\n"
    "shells find it by themselves; else put one of these where the shell reads it at its start:\n"
    "\n"
    "  bash    source <(wherry completion bash)         in ~/.bashrc\n"
    "  zsh     source <(wherry completion zsh)          in ~/.zshrc, behind compinit\n"
    "  fish    wherry completion fish | source          in ~/.config/fish/config.fish\n"
    "\n"
    "Examples:\n"
    "  wherry completion bash\n";
