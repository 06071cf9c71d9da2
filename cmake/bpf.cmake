# Programs for the kernel: NAME.bpf.c is compiled for it, and NAME.skel.h holds the outcome.

find_program(BPF_CLANG clang REQUIRED)
find_program(BPFTOOL bpftool PATHS /usr/sbin REQUIRED)

# bpf_program(TARGET SOURCE)
function(bpf_program target source)
    cmake_path(ABSOLUTE_PATH source)
    cmake_path(GET source STEM name)
    set(folder ${PROJECT_BINARY_DIR}/bpf)
    set(object ${folder}/${name}.bpf.o)
    set(skeleton ${folder}/${name}.skel.h)
    file(MAKE_DIRECTORY ${folder})
    add_custom_command(
        OUTPUT ${skeleton}
        COMMAND ${BPF_CLANG} -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Werror -Wno-sign-compare
                -I${PROJECT_SOURCE_DIR}/src -isystem /usr/include/${CMAKE_LIBRARY_ARCHITECTURE} -c ${source} -o ${object}
                -MD -MT ${skeleton} -MF ${object}.d
        # clang-tidy finds a leak in what bpftool writes.
        COMMAND sh -c "(echo '// NOLINTBEGIN' && '${BPFTOOL}' gen skeleton '${object}' name ${name} && echo '// NOLINTEND') > '${skeleton}'"
        DEPENDS ${source}
        DEPFILE ${object}.d
        COMMENT "Compiling ${name} for the kernel"
        VERBATIM)
    add_custom_target(${name}_program DEPENDS ${skeleton})  # for tools that read the sources and build nothing
    add_dependencies(${target} ${name}_program)
    target_sources(${target} PRIVATE ${skeleton})
    target_include_directories(${target} SYSTEM PRIVATE ${folder})
endfunction()
