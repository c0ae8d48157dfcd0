# Writes OUT, a C++ source with the function library: the files of this directory in the order in
# which one builds on the other. cmake -DOUT=... -P embed.cmake
set(text "")
foreach(name common allocate pools history registry migrate)
    if(EXISTS ${CMAKE_CURRENT_LIST_DIR}/${name}.lua)
        file(READ ${CMAKE_CURRENT_LIST_DIR}/${name}.lua part)
        # One literal for each file: compilers need not take a very long one.
        string(APPEND text "    R\"lua(${part})lua\"\n")
    endif()
endforeach()
file(WRITE ${OUT} "// Made by embed.cmake of src/redis_store/functions/*.lua.
#include \"ringmaster/redis_store/function_library.hpp\"

namespace ringmaster::redis_store {

std::string_view function_library_text() noexcept {
    static constexpr char kText[] =
${text}        ;
    return {kText, sizeof kText - 1};
}

}  // namespace ringmaster::redis_store
")
