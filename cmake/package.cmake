# What `cmake --install` puts where, and the Debian package: `cmake --build --preset release --target package`.

set(doc share/doc/hairpin)
set(generated ${PROJECT_BINARY_DIR}/packaging)
set(CPACK_PACKAGE_CONTACT hairpin@localhost)
file(MAKE_DIRECTORY ${generated})
configure_file(packaging/debian/changelog.in ${generated}/changelog @ONLY)

# With the paths of the service, whoever builds.
set(program env RUNTIME_DIRECTORY=/run/hairpin $<TARGET_FILE:hairpin>)
add_custom_command(
    OUTPUT ${generated}/hairpin.1.gz ${generated}/hairpin.bash ${generated}/hairpin.zsh ${generated}/changelog.gz
    COMMAND ${program} man | gzip -9n > ${generated}/hairpin.1.gz
    COMMAND ${program} completion bash > ${generated}/hairpin.bash
    COMMAND ${program} completion zsh > ${generated}/hairpin.zsh
    COMMAND gzip -9nc ${generated}/changelog > ${generated}/changelog.gz
    DEPENDS hairpin ${generated}/changelog)
add_custom_target(package_files ALL
    DEPENDS ${generated}/hairpin.1.gz ${generated}/hairpin.bash ${generated}/hairpin.zsh ${generated}/changelog.gz)

target_link_options(hairpin PRIVATE LINKER:-z,relro,-z,now)
install(TARGETS hairpin)
install(FILES ${generated}/hairpin.1.gz DESTINATION share/man/man1)
install(FILES ${generated}/hairpin.bash DESTINATION share/bash-completion/completions RENAME hairpin)
install(FILES ${generated}/hairpin.zsh DESTINATION share/zsh/vendor-completions RENAME _hairpin)
install(FILES packaging/hairpin.service DESTINATION lib/systemd/system)
install(FILES packaging/hairpin.yaml DESTINATION /etc/hairpin)
install(FILES packaging/debian/copyright ${generated}/changelog.gz README.md CHANGELOG.md docs/config.md docs/glossary.md
    docs/hairpinning.md docs/events.md docs/reliability.md docs/hairpin.schema.json docs/openapi.json DESTINATION ${doc})
install(DIRECTORY examples DESTINATION ${doc})
install(DIRECTORY packaging/systemd DESTINATION ${doc}/examples)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGE_DIRECTORY ${PROJECT_BINARY_DIR})
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "layer-4 load balancer and NAT gateway")
set(CPACK_PACKAGE_DESCRIPTION
"A service has an external endpoint and backends inside. Whoever uses the
external endpoint gets the service, wherever they stand: outside, on another
inside network, beside the server, on the server itself, or on the gateway.
It is carried by user space, by the kernel's NAT, or by eBPF programs.")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_MAINTAINER "The hairpin authors <${CPACK_PACKAGE_CONTACT}>")
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA postinst prerm postrm conffiles)
list(TRANSFORM CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA PREPEND ${PROJECT_SOURCE_DIR}/packaging/debian/)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ
    WORLD_EXECUTE)
include(CPack)
