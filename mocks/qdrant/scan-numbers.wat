;; Checks that a text is a list of JSON numbers, each followed by a comma and at most one space, and
;; counts them. 64 bytes a turn: one bit per byte and class of character, the way simdjson does it.
;; `node mocks/qdrant/scan-numbers.build.ts` compiles this into scan-numbers.ts.
;;
;; Before the text stands a comma. The caller sees to a comma behind it; what pads the last block are
;; digits, which can offend no rule. A run of digits is followed over the whole block by one addition:
;; the carry comes to rest on the character behind the run.
(module
  (memory (export "memory") 34)
  ;; Count of numbers in the `length` bytes at 0, 0 where they are no such list.
  (func (export "count") (param $length i32) (result i32)
    (local $at i32) (local $count i64) (local $bad i64)
    (local $a v128) (local $b v128) (local $c v128) (local $d v128)
    (local $charZero v128) (local $charComma v128) (local $charDot v128) (local $charMinus v128)
    (local $charSpace v128) (local $charPlus v128) (local $charE v128) (local $ten v128)
    ;; The classes of this block's characters.
    (local $digit i64) (local $zero i64) (local $comma i64) (local $dot i64) (local $minus i64) (local $space i64) (local $plus i64) (local $exp i64)
    ;; Bit 0: the character before this block is of that class.
    (local $digit0 i64) (local $comma0 i64) (local $dot0 i64) (local $space0 i64)
    (local $exp0 i64) (local $sign0 i64) (local $lead0 i64) (local $expSign0 i64)
    ;; Bit 0: this block begins within the digits of a fraction, or of an exponent.
    (local $inFraction i64) (local $inExponent i64)
    ;; The classes, moved on by one: is the character before this one ...
    (local $afterDigit i64) (local $afterGap i64) (local $afterExp i64)
    (local $sign i64) (local $lead i64) (local $expSign i64) (local $run i64) (local $sum i64)
    (local.set $comma0 (i64.const 1))
    (i32.store8 (local.get $length) (i32.const 44))
    (v128.store offset=1 (local.get $length) (i8x16.splat (i32.const 49)))
    (v128.store offset=17 (local.get $length) (i8x16.splat (i32.const 49)))
    (v128.store offset=33 (local.get $length) (i8x16.splat (i32.const 49)))
    (v128.store offset=49 (local.get $length) (i8x16.splat (i32.const 49)))
    (local.set $charZero (i8x16.splat (i32.const 48)))
    (local.set $charComma (i8x16.splat (i32.const 44)))
    (local.set $charDot (i8x16.splat (i32.const 46)))
    (local.set $charMinus (i8x16.splat (i32.const 45)))
    (local.set $ten (i8x16.splat (i32.const 10)))
    (local.set $charSpace (i8x16.splat (i32.const 32)))
    (local.set $charPlus (i8x16.splat (i32.const 43)))
    (local.set $charE (i8x16.splat (i32.const 101)))
    (loop $block
      (local.set $a (v128.load (local.get $at)))
      (local.set $b (v128.load offset=16 (local.get $at)))
      (local.set $c (v128.load offset=32 (local.get $at)))
      (local.set $d (v128.load offset=48 (local.get $at)))
      (local.set $digit
        (i64.or
          (i64.or
            (i64.extend_i32_u (i8x16.bitmask (i8x16.lt_u (i8x16.sub (local.get $a) (local.get $charZero)) (local.get $ten))))
            (i64.shl (i64.extend_i32_u (i8x16.bitmask (i8x16.lt_u (i8x16.sub (local.get $b) (local.get $charZero)) (local.get $ten)))) (i64.const 16)))
          (i64.or
            (i64.shl (i64.extend_i32_u (i8x16.bitmask (i8x16.lt_u (i8x16.sub (local.get $c) (local.get $charZero)) (local.get $ten)))) (i64.const 32))
            (i64.shl (i64.extend_i32_u (i8x16.bitmask (i8x16.lt_u (i8x16.sub (local.get $d) (local.get $charZero)) (local.get $ten)))) (i64.const 48)))))
      (local.set $zero
        (i64.or
          (i64.or
            (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $a) (local.get $charZero))))
            (i64.shl (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $b) (local.get $charZero)))) (i64.const 16)))
          (i64.or
            (i64.shl (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $c) (local.get $charZero)))) (i64.const 32))
            (i64.shl (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $d) (local.get $charZero)))) (i64.const 48)))))
      (local.set $comma
        (i64.or
          (i64.or
            (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $a) (local.get $charComma))))
            (i64.shl (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $b) (local.get $charComma)))) (i64.const 16)))
          (i64.or
            (i64.shl (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $c) (local.get $charComma)))) (i64.const 32))
            (i64.shl (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $d) (local.get $charComma)))) (i64.const 48)))))
      (local.set $dot
        (i64.or
          (i64.or
            (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $a) (local.get $charDot))))
            (i64.shl (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $b) (local.get $charDot)))) (i64.const 16)))
          (i64.or
            (i64.shl (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $c) (local.get $charDot)))) (i64.const 32))
            (i64.shl (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $d) (local.get $charDot)))) (i64.const 48)))))
      (local.set $minus
        (i64.or
          (i64.or
            (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $a) (local.get $charMinus))))
            (i64.shl (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $b) (local.get $charMinus)))) (i64.const 16)))
          (i64.or
            (i64.shl (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $c) (local.get $charMinus)))) (i64.const 32))
            (i64.shl (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $d) (local.get $charMinus)))) (i64.const 48)))))
      (local.set $space (i64.const 0))
      (local.set $plus (i64.const 0))
      (local.set $exp (i64.const 0))
      (if
        (i64.ne
          (i64.or (i64.or (local.get $digit) (local.get $comma)) (i64.or (local.get $dot) (local.get $minus)))
          (i64.const -1))
        (then
          (local.set $space
            (i64.or
              (i64.or
                (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $a) (local.get $charSpace))))
                (i64.shl (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $b) (local.get $charSpace)))) (i64.const 16)))
              (i64.or
                (i64.shl (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $c) (local.get $charSpace)))) (i64.const 32))
                (i64.shl (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $d) (local.get $charSpace)))) (i64.const 48)))))
          (local.set $plus
            (i64.or
              (i64.or
                (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $a) (local.get $charPlus))))
                (i64.shl (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $b) (local.get $charPlus)))) (i64.const 16)))
              (i64.or
                (i64.shl (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $c) (local.get $charPlus)))) (i64.const 32))
                (i64.shl (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (local.get $d) (local.get $charPlus)))) (i64.const 48)))))
          (local.set $exp
            (i64.or
              (i64.or
                (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (v128.or (local.get $a) (local.get $charSpace)) (local.get $charE))))
                (i64.shl (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (v128.or (local.get $b) (local.get $charSpace)) (local.get $charE)))) (i64.const 16)))
              (i64.or
                (i64.shl (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (v128.or (local.get $c) (local.get $charSpace)) (local.get $charE)))) (i64.const 32))
                (i64.shl (i64.extend_i32_u (i8x16.bitmask (i8x16.eq (v128.or (local.get $d) (local.get $charSpace)) (local.get $charE)))) (i64.const 48)))))
          ;; A character of no class.
          (local.set $bad
            (i64.or (local.get $bad)
              (i64.xor (i64.const -1)
                (i64.or
                  (i64.or
                    (i64.or (local.get $digit) (local.get $comma))
                    (i64.or (local.get $dot) (local.get $minus)))
                  (i64.or (local.get $space) (i64.or (local.get $plus) (local.get $exp)))))))))
      (local.set $afterDigit (i64.or (i64.shl (local.get $digit) (i64.const 1)) (local.get $digit0)))
      (local.set $afterExp (i64.or (i64.shl (local.get $exp) (i64.const 1)) (local.get $exp0)))
      (local.set $afterGap
        (i64.or
          (i64.shl (i64.or (local.get $comma) (local.get $space)) (i64.const 1))
          (i64.or (local.get $comma0) (local.get $space0))))
      (local.set $sign (i64.and (local.get $minus) (local.get $afterGap)))
      (local.set $expSign
        (i64.and (i64.or (local.get $minus) (local.get $plus)) (local.get $afterExp)))
      ;; The first digit of a whole part, where it is a zero.
      (local.set $lead
        (i64.and (local.get $zero)
          (i64.or (local.get $afterGap)
            (i64.or (i64.shl (local.get $sign) (i64.const 1)) (local.get $sign0)))))
      (local.set $bad
        (i64.or (local.get $bad)
          (i64.or
            (i64.or
              ;; A digit comes before each dot, exponent and comma.
              (i64.and
                (i64.or (local.get $dot) (i64.or (local.get $exp) (local.get $comma)))
                (i64.xor (local.get $afterDigit) (i64.const -1)))
              ;; A sign begins a number or an exponent, a plus an exponent only.
              (i64.xor
                (i64.or (local.get $minus) (local.get $plus))
                (i64.or (local.get $sign) (local.get $expSign))))
            (i64.or
              ;; A space comes after a comma.
              (i64.and (local.get $space)
                (i64.xor (i64.const -1)
                  (i64.or (i64.shl (local.get $comma) (i64.const 1)) (local.get $comma0))))
              ;; No digit comes after a leading zero.
              (i64.and (local.get $digit)
                (i64.or (i64.shl (local.get $lead) (i64.const 1)) (local.get $lead0)))))))
      ;; The digits of a fraction don't end at another dot.
      (local.set $run
        (i64.or (i64.or (i64.shl (local.get $dot) (i64.const 1)) (local.get $dot0)) (local.get $inFraction)))
      (local.set $sum (i64.add (local.get $digit) (i64.and (local.get $run) (local.get $digit))))
      (local.set $inFraction (i64.extend_i32_u (i64.lt_u (local.get $sum) (local.get $digit))))
      (local.set $bad
        (i64.or (local.get $bad) (i64.and (local.get $dot) (i64.or (local.get $sum) (local.get $run)))))
      ;; The digits of an exponent end neither at a dot nor at another exponent.
      (if
        (i64.ne
          (i64.or (i64.or (local.get $exp) (local.get $exp0)) (i64.or (local.get $inExponent) (local.get $expSign0)))
          (i64.const 0))
        (then
          (local.set $run
            (i64.or
              (i64.or (local.get $afterExp) (local.get $inExponent))
              (i64.or (i64.shl (local.get $expSign) (i64.const 1)) (local.get $expSign0))))
          (local.set $sum (i64.add (local.get $digit) (i64.and (local.get $run) (local.get $digit))))
          (local.set $inExponent (i64.extend_i32_u (i64.lt_u (local.get $sum) (local.get $digit))))
          (local.set $bad
            (i64.or (local.get $bad)
              (i64.and
                (i64.or (local.get $dot) (local.get $exp))
                (i64.or (local.get $sum) (local.get $run)))))))
      (local.set $digit0 (i64.shr_u (local.get $digit) (i64.const 63)))
      (local.set $comma0 (i64.shr_u (local.get $comma) (i64.const 63)))
      (local.set $space0 (i64.shr_u (local.get $space) (i64.const 63)))
      (local.set $dot0 (i64.shr_u (local.get $dot) (i64.const 63)))
      (local.set $exp0 (i64.shr_u (local.get $exp) (i64.const 63)))
      (local.set $sign0 (i64.shr_u (local.get $sign) (i64.const 63)))
      (local.set $lead0 (i64.shr_u (local.get $lead) (i64.const 63)))
      (local.set $expSign0 (i64.shr_u (local.get $expSign) (i64.const 63)))
      (local.set $count (i64.add (local.get $count) (i64.popcnt (local.get $comma))))
      (local.set $at (i32.add (local.get $at) (i32.const 64)))
      (br_if $block (i32.le_u (local.get $at) (local.get $length))))
    (select
      (i32.wrap_i64 (local.get $count))
      (i32.const 0)
      (i64.eqz (local.get $bad)))))
