# libhone.a and libhone.so from the same objects; hone::hone is one of them, as BUILD_SHARED_LIBS says.
set(hone_link_names zstd z xxhash fmt)  # what libhone.a asks of whoever links it; hone.pc lists the same

foreach(kind static shared)
  string(TOUPPER ${kind} library_type)
  add_library(hone_${kind} ${library_type} $<TARGET_OBJECTS:hone_objects> ${isa_objects})
  add_library(hone::${kind} ALIAS hone_${kind})
  set_target_properties(hone_${kind} PROPERTIES OUTPUT_NAME hone EXPORT_NAME ${kind} LINKER_LANGUAGE CXX)
  target_include_directories(hone_${kind} PUBLIC $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include>
                             $<INSTALL_INTERFACE:include>)
  target_compile_features(hone_${kind} PUBLIC cxx_std_20)
  # Installed, the names are plain: a user's project needs neither pkg-config nor a dependency's CMake files.
  target_link_libraries(hone_${kind} PRIVATE Threads::Threads $<BUILD_INTERFACE:PkgConfig::ZSTD>
                        $<BUILD_INTERFACE:PkgConfig::ZLIB>
                        $<BUILD_INTERFACE:PkgConfig::XXHASH>
                        $<BUILD_INTERFACE:fmt::fmt> "$<INSTALL_INTERFACE:${hone_link_names}>")
endforeach()

# The map also hides what inline templates of the standard library would export.
set(symbol_map ${CMAKE_CURRENT_SOURCE_DIR}/cmake/hone.map)
target_link_options(hone_shared PRIVATE -Wl,--version-script=${symbol_map})
# Until 1.0 a minor version may change the interface, so it names the shared object.
set_target_properties(hone_shared PROPERTIES VERSION ${PROJECT_VERSION} LINK_DEPENDS ${symbol_map}
                      SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})

if(BUILD_SHARED_LIBS)
  add_library(hone::hone ALIAS hone_shared)
else()
  add_library(hone::hone ALIAS hone_static)
endif()
