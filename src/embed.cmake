# Writes OUT, a C++ source that defines FUNCTION, declared in HEADER, in NAMESPACE: it returns the
# text of FILES, one behind the other, with each {{NAME}} replaced by the text of that file beside
# it. For ringmaster_embed() in CMakeLists.txt, which passes all of them.
string(REPLACE "|" ";" FILES "${FILES}")
set(text "")
foreach(file IN LISTS FILES)
    file(READ "${file}" part)
    string(REGEX MATCHALL "{{[A-Za-z0-9_.-]+}}" marks "${part}")
    foreach(mark IN LISTS marks)
        string(REGEX REPLACE "[{}]" "" name "${mark}")
        cmake_path(GET file PARENT_PATH directory)
        file(READ "${directory}/${name}" inserted)
        string(REPLACE "${mark}" "${inserted}" part "${part}")
    endforeach()
    # One literal for each file: compilers need not take a very long one.
    string(APPEND text "    R\"text(${part})text\"\n")
endforeach()
file(WRITE "${OUT}" "// Made by src/embed.cmake.
#include \"${HEADER}\"

namespace ${NAMESPACE} {

std::string_view ${FUNCTION}() noexcept {
    static constexpr char kText[] =
${text}        ;
    return {kText, sizeof kText - 1};
}

}  // namespace ${NAMESPACE}
")
