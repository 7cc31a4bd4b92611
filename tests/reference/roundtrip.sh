#!/bin/sh
# Files written by Plumbline, held to the libraries that they are for: trains every method for a few steps on a tiny checkpoint, merges what
# can be merged, traces logits, and has check_adapters.py load the files (no missing and no unexpected keys, equal logits).
#
#   sh roundtrip.sh PLUMBLINE PYTHON PYTHON_ADAPTERS [FOLDER]
#
# PLUMBLINE is the built program, PYTHON has requirements.txt, PYTHON_ADAPTERS requirements-adapters.txt. Exit code 0: all of them hold.
set -eu
plumbline=$1 python=$2 adapters=$3
here=$(cd "$(dirname "$0")" && pwd)
work=${4:-$(mktemp -d)}
mkdir -p "$work/base"
cp "$here"/../fixtures/tokenizer/* "$here"/../fixtures/smolvlm_small_tile/* "$work/base/"
rm -f "$work/base/expected.safetensors" "$work/base/case.json"
cd "$work"
cp base/image.png a.png
i=0
: > data.jsonl
for answer in red blue one two; do
    printf '{"messages":[{"role":"user","content":[{"type":"image","image":"a.png"},{"type":"text","text":"Which %s?"}]},' $i >> data.jsonl
    printf '{"role":"assistant","content":[{"type":"text","text":"%s"}]}]}\n' $answer >> data.jsonl
    i=$((i + 1))
done
trace() { "$plumbline" trace --image a.png --prompt "Which one?" --dtype f32 --device cpu "$@" > /dev/null 2>&1; }
failed=0
check() { echo "== $1"; shift; "$@" || failed=1; }
for method in lora dora rslora ia3 prompt-tuning seq-bn double-seq-bn par-bn full:vision,connector,text,head; do
    run=run-${method%%:*}
    "$plumbline" train --model base --data data.jsonl --method $method --steps 6 --lr 1e-2 --batch 4 --eval-every 0 --dtype f32 \
        --device cpu --out $run > $run.log 2>&1
    case $method in
    full:*)
        trace --model $run/result --out $run.safetensors
        check $method "$python" "$here/check_adapters.py" --merged $run/result --logits $run.safetensors
        ;;
    *)
        trace --model base --adapter $run --out $run.safetensors
        case $method in *-bn) with=$adapters ;; *) with=$python ;; esac
        check $method "$with" "$here/check_adapters.py" --base base --adapter $run/result --logits $run.safetensors
        ;;
    esac
    case $method in
    lora | dora | rslora | ia3)
        "$plumbline" adapters merge $run/result --model base --out merged-$method --dtype f32 > /dev/null 2>&1
        trace --model merged-$method --out merged-$method.safetensors
        check "$method, merged" "$python" "$here/check_adapters.py" --merged merged-$method --logits merged-$method.safetensors
        ;;
    esac
done
exit $failed
