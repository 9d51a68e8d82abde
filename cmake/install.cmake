# cmake --install BUILD --prefix P: headers, both libraries, the CMake package, hone.pc, the program. The tree may be
# moved afterwards. Components: headers, static, shared, program (a packager's -dev, lib and bin).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/hone)
install(DIRECTORY include/hone DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT headers)
foreach(kind static shared)
  install(TARGETS hone_${kind} EXPORT hone_${kind} COMPONENT ${kind})
  install(EXPORT hone_${kind} FILE hone-${kind}.cmake NAMESPACE hone:: DESTINATION ${package_dir} COMPONENT ${kind})
endforeach()

configure_package_config_file(cmake/hone-config.cmake.in hone-config.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(hone-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/hone-config.cmake ${CMAKE_CURRENT_BINARY_DIR}/hone-config-version.cmake
        DESTINATION ${package_dir} COMPONENT headers)

file(RELATIVE_PATH pc_to_prefix /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
list(TRANSFORM hone_link_names PREPEND -l OUTPUT_VARIABLE pc_private)
list(JOIN pc_private " " pc_private)
configure_file(cmake/hone.pc.in hone.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/hone.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT headers)

if(TARGET hone)
  file(RELATIVE_PATH bin_to_lib /${CMAKE_INSTALL_BINDIR} /${CMAKE_INSTALL_LIBDIR})
  set_target_properties(hone PROPERTIES INSTALL_RPATH $ORIGIN/${bin_to_lib})
  install(TARGETS hone COMPONENT program)
endif()
