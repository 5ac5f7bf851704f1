# Flatten a JSON text to lines of "path<TAB>value": .public_keys.mine<TAB>ssh-ed25519 AAAA… me
# Line breaks and tabs in values become spaces, so that a line is always one value.

function skip() { while (substr(text, at, 1) ~ /[ \t\r\n]/) at++ }

# The UTF-8 bytes of a code point.
function utf8(code) {
    if (code < 128) return sprintf("%c", code)
    if (code < 2048) return sprintf("%c%c", 192 + int(code / 64), 128 + code % 64)
    if (code < 65536)
        return sprintf("%c%c%c", 224 + int(code / 4096), 128 + int(code / 64) % 64, 128 + code % 64)
    return sprintf("%c%c%c%c", 240 + int(code / 262144), 128 + int(code / 4096) % 64, \
        128 + int(code / 64) % 64, 128 + code % 64)
}

function hex(digits,    i, n) {
    n = 0
    for (i = 1; i <= length(digits); i++)
        n = n * 16 + index("0123456789abcdef", tolower(substr(digits, i, 1))) - 1
    return n
}

function string(    out, c, code, low) {
    out = ""
    for (at++; at <= size; at++) {
        c = substr(text, at, 1)
        if (c == "\"") { at++; return out }
        if (c != "\\") { out = out c; continue }
        c = substr(text, ++at, 1)
        if (c ~ /[nrtbf]/) out = out " "
        else if (c == "u") {
            code = hex(substr(text, at + 1, 4)); at += 4
            # Two surrogates make one code point.
            if (code >= 55296 && code < 56320 && substr(text, at + 1, 2) == "\\u") {
                low = hex(substr(text, at + 3, 4)); at += 6
                code = 65536 + (code - 55296) * 1024 + low - 56320
            }
            out = out (code < 32 ? " " : utf8(code))
        }
        else out = out c
    }
    return out
}

function members(path, close_by, is_object,    i, key) {
    at++; skip()
    for (i = 0; at <= size && substr(text, at, 1) != close_by; i++) {
        key = i
        if (is_object) { key = string(); skip(); at++ }
        value(path "." key); skip()
        if (substr(text, at, 1) == ",") { at++; skip() }
    }
    at++
}

function value(path,    c, start) {
    skip(); c = substr(text, at, 1)
    if (c == "{") members(path, "}", 1)
    else if (c == "[") members(path, "]", 0)
    else if (c == "\"") print path "\t" string()
    else {
        start = at
        while (at <= size && substr(text, at, 1) !~ /[],} \t\r\n]/) at++
        if (at == start) { at = size + 1; return }
        print path "\t" substr(text, start, at - start)
    }
}

{ text = text $0 "\n" }
END { size = length(text); at = 1; value("") }
