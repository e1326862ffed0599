# Completion of apertured in fish. Tests/Completions/check compares its words with the program's help.

# What was typed before: the verb, the GPUs, and `--` when the options have ended.
function __apertured_words
    set -l words (commandline -opc)
    set -l skip 1
    for word in $words
        if test $skip = 1
            set skip 0
            continue
        end
        switch $word
            case --
                echo -- --
                return
            case --residue --on-stop --log --allow-native --driver --function --stop --wait --lock-wait --write-deadline --root --output
                set skip 1
            case '-*'
            case '*'
                echo -- $word
        end
    end
end

# Whether the verb is one of these, and its options have not ended.
function __apertured_verb
    set -l words (__apertured_words)
    contains -- "$words[1]" $argv; and not contains -- -- $words
end

# Whether there is no verb yet.
function __apertured_no_verb
    test (count (__apertured_words)) = 0
end

# Whether a GPU may follow.
function __apertured_wants_gpu
    set -l words (__apertured_words)
    contains -- -- $words; and return 1
    contains -- "$words[1]" status doctor recover guard; and return 0
    contains -- "$words[1]" plan claim verify release enable disable log report; and test (count $words) = 1
end

# Whether options of journalctl may follow.
function __apertured_wants_journalctl
    set -l words (__apertured_words)
    test "$words[1]" = log; and contains -- -- $words
end

# What the program knows of the machine, or of the machine whose files are named with --root.
function __apertured_ask
    set -l words (commandline -opc)
    set -l root
    for index in (seq (count $words))
        switch $words[$index]
            case --root
                set root --root $words[(math $index + 1)]
            case '--root=*'
                set root $words[$index]
        end
    end
    apertured complete $argv $root 2>/dev/null
end

complete -c apertured -f

complete -c apertured -n __apertured_no_verb -a status -d 'List the GPUs, their drivers, and what holds which BAR'
complete -c apertured -n __apertured_no_verb -a doctor -d 'List what decides whether a guest will get a GPU, and what mends it, and write nothing'
complete -c apertured -n __apertured_no_verb -a plan -d 'Show what a claim would write, and why, and write nothing'
complete -c apertured -n __apertured_no_verb -a claim -d 'Evict the framebuffers in a GPU\'s BARs, bind the GPU to vfio-pci, and prove that VFIO can map it'
complete -c apertured -n __apertured_no_verb -a verify -d 'Prove a claimed GPU'
complete -c apertured -n __apertured_no_verb -a release -d 'Give a claimed GPU back to the drivers that had it before'
complete -c apertured -n __apertured_no_verb -a recover -d 'Undo or finish claims and releases that were interrupted'
complete -c apertured -n __apertured_no_verb -a enable -d 'Claim a GPU at every boot: pin the card, enable its unit, and make the initramfs anew'
complete -c apertured -n __apertured_no_verb -a disable -d 'Leave a GPU to the host at every boot: take back what enable did'
complete -c apertured -n __apertured_no_verb -a guard -d 'Claim GPUs and guard them until a signal comes'
complete -c apertured -n __apertured_no_verb -a log -d 'Show the journal of one GPU'
complete -c apertured -n __apertured_no_verb -a report -d 'Write an archive of what plan and status read, for a bug report'
complete -c apertured -n __apertured_no_verb -a help -d 'Show the help of a verb'
complete -c apertured -n '__apertured_verb help' -a 'status doctor plan claim verify release recover enable disable guard log report'

complete -c apertured -n __apertured_wants_gpu -k -a '(__apertured_ask gpus)'

set -l all 'not __apertured_wants_journalctl; and not __apertured_verb help'
complete -c apertured -n $all -l version -d 'Show the version'
complete -c apertured -n $all -s h -l help -d 'Show help information'

set -l rooted '__apertured_verb status doctor plan claim verify release recover enable disable guard report'
complete -c apertured -n $rooted -l root -x -a '(__fish_complete_directories)' -d 'Use the sys, proc and dev in this folder'
complete -c apertured -n '__apertured_verb status doctor plan claim verify release recover' -l json -d 'Print one JSON object'

complete -c apertured -n '__apertured_verb status' -s v -l verbose -d 'Show what each witness says of each framebuffer'
complete -c apertured -n '__apertured_verb status' -l watch -d 'Show it again after each change, until the program is ended'
complete -c apertured -n '__apertured_verb status' -l map -d 'Draw each BAR to scale, with the entries of /proc/iomem inside it'
complete -c apertured -n '__apertured_verb status' -l metrics -d 'Print metrics for Prometheus, in its text format'
complete -c apertured -n '__apertured_verb status' -l nfd -d 'Print labels for node-feature-discovery, in the format of its features.d'
complete -c apertured -n '__apertured_verb status' -l output -r -F -d 'Write the metrics or the labels to this file, by a rename'
complete -c apertured -n '__apertured_verb status' -l probe -d 'Print nothing, and succeed if the guard of several GPUs is alive'

set -l policy '__apertured_verb doctor plan claim'
complete -c apertured -n $policy -l residue -x -k -a 'auto bounce rescan refuse' -d 'What may end a framebuffer\'s range that no unbind removes'
complete -c apertured -n $policy -l allow-native -x -a '(__apertured_ask native-drivers)' -d 'Let this native driver probe the GPU once, for the bounce rung'
complete -c apertured -n $policy -l driver -x -k -a '(__apertured_ask drivers)' -d 'The VFIO driver to bind'
complete -c apertured -n $policy -l force -d 'Go on even if a process may have the GPU open, where the kernel allows it'
complete -c apertured -n $policy -l unload -d 'Unload nvidia\'s kernel modules, which keep a GPU busy, if no other GPU needs them'
complete -c apertured -n $policy -l stop -x -d 'Stop this service if it has the GPU open, and start it again after the release'

set -l selection '__apertured_verb doctor plan claim verify'
complete -c apertured -n $selection -l only-function -d 'Take this function alone, and leave the rest of its slot'
complete -c apertured -n $selection -l whole-slot -d 'Take every endpoint of the slot'
complete -c apertured -n $selection -l function -x -d 'Also take this function of the slot'

complete -c apertured -n '__apertured_verb claim' -s n -l dry-run -d 'Show the plan and write nothing'
complete -c apertured -n '__apertured_verb claim' -l no-verify -d 'Leave out the proof'
complete -c apertured -n '__apertured_verb claim' -l wait -x -d 'Seconds to wait for a process to close a framebuffer'

complete -c apertured -n '__apertured_verb release' -l keep -d 'Forget the claim, and leave the GPU on vfio-pci'
complete -c apertured -n '__apertured_verb release' -l only-when-running -d 'Do nothing while the system shuts down, or without a claim'
complete -c apertured -n '__apertured_verb release recover' -l force -d 'Go on when it is not known who has the GPU open'

complete -c apertured -n '__apertured_verb enable' -l now -d 'Start the unit as well'
complete -c apertured -n '__apertured_verb disable' -l now -d 'Stop the unit first, which gives the GPU back'
complete -c apertured -n '__apertured_verb enable disable' -l no-initramfs -d 'Leave the initramfs as it is'

complete -c apertured -n '__apertured_verb claim release recover' -s q -l quiet -d 'Print only errors'
complete -c apertured -n '__apertured_verb claim release recover guard verify' -s v -l verbose -d 'Also print what helps to find a fault'
set -l locking '__apertured_verb claim release recover guard'
complete -c apertured -n $locking -l lock-wait -x -d 'Seconds to wait for another run of apertured, and for each that is waiting already'
complete -c apertured -n $locking -l write-deadline -x -d 'Seconds that one write may take in the kernel before it is given up'

complete -c apertured -n '__apertured_verb guard' -l log -x -k -a 'auto json' -d 'Where the log goes'
complete -c apertured -n '__apertured_verb guard' -l on-stop -x -k -a 'release keep' -d 'What becomes of the GPUs when the guard stops'

complete -c apertured -n '__apertured_verb report' -l output -r -F -d 'The file to write, such as report.tar.gz; - is the standard output'
complete -c apertured -n '__apertured_verb report' -l force -d 'Replace the file, if it exists'

# Behind `--` fish takes every word for an argument.
complete -c apertured -n __apertured_wants_journalctl -k -a "(printf '%s\t%s\n' -x 'Add explanations' -f 'Follow the journal' -b 'Show this boot alone')"
