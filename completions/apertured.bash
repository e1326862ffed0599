# shellcheck shell=bash
# Completion of apertured in bash; bash-completion loads this file. Tests/Completions/check compares its words with the
# program's help.

# Offers the lines of the standard input that begin with what was typed: each is a word and, behind a tabulator, what it
# is. The description is shown where there is a choice, and never inserted.
_apertured_offer() {
    local word description line index width=0
    local -a words=() descriptions=()
    while IFS=$'\t' read -r word description; do
        [[ $word == "$cur"* ]] || continue
        words+=("$word")
        descriptions+=("$description")
        ((${#word} <= width)) || width=${#word}
    done
    COMPREPLY=("${words[@]}")
    # The types 37 and 42 insert what others show.
    if ((${#words[@]} > 1 && COMP_TYPE != 37 && COMP_TYPE != 42)); then
        for index in "${!words[@]}"; do
            [[ ${descriptions[index]} ]] || continue
            printf -v line '%-*s  %s' "$width" "${words[index]}" "${descriptions[index]}"
            COMPREPLY[index]=${line:0:${COLUMNS:-80}-2}
        done
    fi
    # Readline takes a colon for the end of a word.
    __ltrim_colon_completions "$cur"
}

# Offers words and descriptions, which take turns in the arguments.
_apertured_words() {
    _apertured_offer < <(printf '%s\t%s\n' "$@")
}

# Offers what the program knows of the machine, or of the machine whose files are named with --root.
_apertured_ask() {
    _apertured_offer < <(apertured complete "$1" "${root[@]}" 2>/dev/null)
}

_apertured_verbs() {
    _apertured_words \
        status "List the GPUs, their drivers, and what holds which BAR" \
        doctor "List what decides whether a guest will get a GPU, and what mends it, and write nothing" \
        plan "Show what a claim would write, and why, and write nothing" \
        claim "Evict the framebuffers in a GPU's BARs, bind the GPU to vfio-pci, and prove that VFIO can map it" \
        verify "Prove a claimed GPU" \
        release "Give a claimed GPU back to the drivers that had it before" \
        recover "Undo or finish claims and releases that were interrupted" \
        enable "Claim a GPU at every boot: pin the card, enable its unit, and make the initramfs anew" \
        disable "Leave a GPU to the host at every boot: take back what enable did" \
        guard "Claim GPUs and guard them until a signal comes" \
        log "Show the journal of one GPU" \
        report "Write an archive of what plan and status read, for a bug report" \
        help "Show the help of a verb"
}

# Offers the options of a verb; without one, those that the program takes alone.
_apertured_options() {
    local -a root selection policy locking json quiet verbose options=()
    root=(--root "Use the sys, proc and dev in this folder")
    json=(--json "Print one JSON object")
    quiet=(-q "Print only errors" --quiet "Print only errors")
    verbose=(-v "Also print what helps to find a fault" --verbose "Also print what helps to find a fault")
    selection=(
        --only-function "Take this function alone, and leave the rest of its slot"
        --whole-slot "Take every endpoint of the slot"
        --function "Also take this function of the slot"
    )
    policy=(
        --residue "What may end a framebuffer's range that no unbind removes"
        --allow-native "Let this native driver probe the GPU once, for the bounce rung"
        --driver "The VFIO driver to bind"
        "${selection[@]}"
        --force "Go on even if a process may have the GPU open, where the kernel allows it"
        --unload "Unload nvidia's kernel modules, which keep a GPU busy, if no other GPU needs them"
        --stop "Stop this service if it has the GPU open, and start it again after the release"
    )
    locking=(
        --lock-wait "Seconds to wait for another run of apertured, and for each that is waiting already"
        --write-deadline "Seconds that one write may take in the kernel before it is given up"
    )
    case $1 in
    status)
        options=(
            -v "Show what each witness says of each framebuffer"
            --verbose "Show what each witness says of each framebuffer"
            --watch "Show it again after each change, until the program is ended"
            --map "Draw each BAR to scale, with the entries of /proc/iomem inside it"
            --metrics "Print metrics for Prometheus, in its text format"
            --nfd "Print labels for node-feature-discovery, in the format of its features.d"
            --output "Write the metrics or the labels to this file, by a rename"
            --probe "Print nothing, and succeed if the guard of several GPUs is alive"
            "${root[@]}" "${json[@]}"
        )
        ;;
    doctor | plan) options=("${policy[@]}" "${root[@]}" "${json[@]}") ;;
    claim)
        options=(
            -n "Show the plan and write nothing"
            --dry-run "Show the plan and write nothing"
            --no-verify "Leave out the proof"
            --wait "Seconds to wait for a process to close a framebuffer"
            "${quiet[@]}" "${verbose[@]}" "${policy[@]}" "${locking[@]}" "${root[@]}" "${json[@]}"
        )
        ;;
    verify) options=("${verbose[@]}" "${selection[@]}" "${root[@]}" "${json[@]}") ;;
    release)
        options=(
            --keep "Forget the claim, and leave the GPU on vfio-pci"
            --only-when-running "Do nothing while the system shuts down, or without a claim"
            --force "Go on when it is not known who has the GPU open"
            "${quiet[@]}" "${verbose[@]}" "${locking[@]}" "${root[@]}" "${json[@]}"
        )
        ;;
    recover)
        options=(
            --force "Go on when it is not known who has the GPU open"
            "${quiet[@]}" "${verbose[@]}" "${locking[@]}" "${root[@]}" "${json[@]}"
        )
        ;;
    guard)
        options=(
            --on-stop "What becomes of the GPUs when the guard stops"
            --log "Where the log goes"
            "${verbose[@]}" "${locking[@]}" "${root[@]}"
        )
        ;;
    report)
        options=(
            --output "The file to write, such as report.tar.gz; - is the standard output"
            --force "Replace the file, if it exists"
            "${root[@]}"
        )
        ;;
    enable)
        options=(
            --now "Start the unit as well"
            --no-initramfs "Leave the initramfs as it is"
            "${root[@]}"
        )
        ;;
    disable)
        options=(
            --now "Stop the unit first, which gives the GPU back"
            --no-initramfs "Leave the initramfs as it is"
            "${root[@]}"
        )
        ;;
    log | "") ;;
    *) return ;;
    esac
    _apertured_words "${options[@]}" \
        --version "Show the version" -h "Show help information" --help "Show help information"
}

_apertured() {
    # shellcheck disable=SC2034
    local cur prev words cword split
    _init_completion -n : -s || return

    # What was typed before: the verb, how many GPUs, the root, and whether the options have ended.
    local verb='' gpus=0 ended='' index
    local -a root=()
    for ((index = 1; index < cword; index++)); do
        case $ended${words[index]} in
        --) ended=yes ;;
        --root)
            root=(--root "${words[index + 1]}")
            index=$((index + 1))
            ;;
        --root=*) root=("${words[index]}") ;;
        --residue | --on-stop | --log | --allow-native | --driver | --function | --stop | --wait | --lock-wait | --write-deadline | --output)
            index=$((index + 1))
            ;;
        -* | yes*) ;;
        *) if [[ $verb ]]; then gpus=$((gpus + 1)); else verb=${words[index]}; fi ;;
        esac
    done

    if [[ $ended ]]; then
        [[ $verb != log ]] || _apertured_words \
            -x "Add explanations" -f "Follow the journal" -b "Show this boot alone"
        return
    fi
    case $prev in
    --residue)
        _apertured_offer < <(printf '%s\n' auto bounce rescan refuse)
        return
        ;;
    --log)
        _apertured_offer < <(printf '%s\n' auto json)
        return
        ;;
    --on-stop)
        _apertured_offer < <(printf '%s\n' release keep)
        return
        ;;
    --allow-native)
        _apertured_ask native-drivers
        return
        ;;
    --driver)
        _apertured_ask drivers
        return
        ;;
    --root)
        _filedir -d
        return
        ;;
    --output)
        _filedir
        return
        ;;
    --function | --stop | --wait | --lock-wait | --write-deadline) return ;;
    esac

    case $cur,$verb in
    -*) _apertured_options "$verb" ;;
    *,) _apertured_verbs ;;
    *,help) ((gpus > 0)) || _apertured_verbs ;;
    *,status | *,doctor | *,recover | *,guard) _apertured_ask gpus ;;
    *,plan | *,claim | *,verify | *,release | *,enable | *,disable | *,log | *,report)
        ((gpus > 0)) || _apertured_ask gpus
        ;;
    esac
}

complete -F _apertured apertured
