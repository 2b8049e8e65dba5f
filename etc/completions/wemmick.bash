# Bash completion of wemmick(8).

_wemmick_ids()
{
	wemmick "$@" --json queue list 2>/dev/null |
		sed -n 's/.*"id": *"\([^"]*\)".*/\1/p'
}

_wemmick_users()
{
	wemmick "$@" --json user list 2>/dev/null |
		sed -n 's/.*"address": *"\([^"]*\)".*/\1/p'
}

_wemmick()
{
	local cur=${COMP_WORDS[COMP_CWORD]} group= verb= i
	local -a conf=()
	local words=

	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-c | --config)
			conf=(-c "${COMP_WORDS[i + 1]}")
			((i++))
			;;
		-*) ;;
		*)
			if [[ -z $group ]]; then
				group=${COMP_WORDS[i]}
			elif [[ -z $verb ]]; then
				verb=${COMP_WORDS[i]}
			fi
			;;
		esac
	done
	case ${COMP_WORDS[COMP_CWORD - 1]} in
	-c | --config)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	esac
	case $group/$verb in
	/) words="check config user map queue status reload stop trace version" ;;
	config/) words="show keys" ;;
	user/) words="add passwd set list del sync" ;;
	map/) words="build query" ;;
	queue/) words="list show flush hold release delete" ;;
	user/add) words="--stdin --hash --batch" ;;
	user/passwd) words="--stdin --hash $(_wemmick_users "${conf[@]}")" ;;
	user/set)
		words="imap no-imap pop3 no-pop3 submission no-submission
			enabled disabled $(_wemmick_users "${conf[@]}")"
		;;
	user/del) words=$(_wemmick_users "${conf[@]}") ;;
	map/*) words="hash: btree: text:" ;;
	queue/list | queue/show | trace/*) words=$(_wemmick_ids "${conf[@]}") ;;
	queue/flush | queue/hold | queue/release | queue/delete)
		words="--all $(_wemmick_ids "${conf[@]}")"
		;;
	check/*)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	esac
	mapfile -t COMPREPLY < <(
		compgen -W "$words --json --config --help" -- "$cur")
}

complete -o default -F _wemmick wemmick
