# Finds MNN, which is never built here. Give either
#   MNN_ROOT                          a folder with include/ and lib/, or an unpacked release
#   MNN_INCLUDE_DIR and MNN_LIBRARY   the folder that has MNN/Interpreter.hpp, and a libMNN.so or any
#                                     shared object that exports MNN's C++ API
#   MNN_LIBRARY                       alone, of the version that declared_mnn/ declares
# or nothing, for a runner that can only calibrate. Either of the pair may be given with MNN_ROOT.
#
# Defines the target MNN, and sets MNN_INSTALLED (the libraries that the program needs beside it),
# MNN_LIBRARY_FOLDERS, MNN_MODULE_SOURCE and MNN_PYTHON_STUBS (sources, see below).

set(MNN_ROOT "" CACHE PATH "A folder with MNN's include/ and lib/")
set(MNN_INCLUDE_DIR "" CACHE PATH "The folder that has MNN/Interpreter.hpp")
set(MNN_LIBRARY "" CACHE FILEPATH "A shared object that exports MNN's C++ API")

if(NOT MNN_ROOT AND NOT MNN_INCLUDE_DIR AND NOT MNN_LIBRARY)
  message(STATUS "MNN: none given, so the runner can only calibrate")
  return()
endif()

set(how "give --mnn-root a folder with MNN's include/ and lib/, or --mnn-include-dir and --mnn-library; docs/android.md says where to get them")

set(include_folder "${MNN_INCLUDE_DIR}")
if(NOT include_folder AND MNN_ROOT)
  set(include_folder "${MNN_ROOT}/include")
elseif(NOT include_folder)
  set(include_folder "${CMAKE_CURRENT_SOURCE_DIR}/declared_mnn")
endif()
if(NOT EXISTS "${include_folder}/MNN/Interpreter.hpp")
  runner_gives_up("MNN's headers are missing: ${include_folder} has no MNN/Interpreter.hpp" "${how}")
endif()

file(STRINGS "${include_folder}/MNN/MNNDefine.h" numbers REGEX "define MNN_VERSION_(MAJOR|MINOR|PATCH) ")
string(REGEX REPLACE "[^0-9;]" "" numbers "${numbers}")
string(REPLACE ";" "." MNN_VERSION "${numbers}")
file(WRITE "${CMAKE_CURRENT_BINARY_DIR}/mnn_version.txt" "${MNN_VERSION}\n")

set(library "${MNN_LIBRARY}")
if(NOT library)
  foreach(folder lib "lib/${ANDROID_ABI}" "${ANDROID_ABI}" .)
    if(NOT library AND EXISTS "${MNN_ROOT}/${folder}/libMNN.so")
      set(library "${MNN_ROOT}/${folder}/libMNN.so")
    endif()
  endforeach()
endif()
if(NOT library)
  runner_gives_up("MNN's library is missing: no libMNN.so in ${MNN_ROOT}/lib" "${how}")
elseif(NOT EXISTS "${library}" OR IS_DIRECTORY "${library}")
  runner_gives_up("MNN's library is missing: no file ${library}" "${how}")
endif()
get_filename_component(library "${library}" REALPATH)
get_filename_component(library_folder "${library}" DIRECTORY)
get_filename_component(library_name "${library}" NAME)

execute_process(
  COMMAND "${CMAKE_NM}" --dynamic "${library}"
  OUTPUT_VARIABLE symbols ERROR_VARIABLE complaint RESULT_VARIABLE code)
if(NOT code EQUAL 0)
  runner_gives_up("${library} is no shared object that ${CMAKE_NM} can read" "${how}")
endif()

# Of the functions we call, only this one returns a std::string, so its name shows the C++ ABI.
set(probe "_ZNK3MNN11Interpreter18getSessionInputAll")
if(symbols MATCHES " [TW] ${probe}B5cxx11E")
  set(old_abi OFF)
elseif(symbols MATCHES " [TW] ${probe}E")
  set(old_abi ON) # or libc++, which the setting does not affect
else()
  runner_gives_up("${library} does not export MNN's C++ API" "${how}")
endif()
if(old_abi)
  add_compile_definitions(_GLIBCXX_USE_CXX11_ABI=0)
endif()

# The Module API runs loops and branches. It is in the library, or in one of its own beside it.
set(MNN_MODULE_SOURCE src/module_none.cpp)
set(express_library "")
set(module_probe " [TW] _ZN3MNN7Express6Module4load")
if(EXISTS "${include_folder}/MNN/expr/Module.hpp")
  if(symbols MATCHES "${module_probe}")
    set(MNN_MODULE_SOURCE src/module_mnn.cpp)
  elseif(EXISTS "${library_folder}/libMNN_Express.so")
    execute_process(
      COMMAND "${CMAKE_NM}" --dynamic "${library_folder}/libMNN_Express.so"
      OUTPUT_VARIABLE express_symbols ERROR_QUIET)
    if(express_symbols MATCHES "${module_probe}")
      set(MNN_MODULE_SOURCE src/module_mnn.cpp)
      set(express_library "${library_folder}/libMNN_Express.so")
    endif()
  endif()
endif()

# The engine in MNN's wheels is also a Python module. It refers to Python's C API, but calls it only
# when Python loads it. Here each of those names gets a stub that aborts if it is ever called.
set(MNN_PYTHON_STUBS "")
string(REGEX MATCHALL " U _?Py[A-Za-z0-9_]+" python_symbols "${symbols}")
if(python_symbols)
  list(REMOVE_DUPLICATES python_symbols)
  set(MNN_PYTHON_STUBS "${CMAKE_CURRENT_BINARY_DIR}/python_stubs.cpp")
  set(source "#include <cstdlib>\nextern \"C\" {\n")
  foreach(symbol IN LISTS python_symbols)
    string(REPLACE " U " "" symbol "${symbol}")
    string(APPEND source "[[gnu::visibility(\"default\")]] void ${symbol}() { std::abort(); }\n")
  endforeach()
  file(CONFIGURE OUTPUT "${MNN_PYTHON_STUBS}" CONTENT "${source}}\n" @ONLY)
endif()

# Libraries that it needs in turn go with it, if they lie beside it or where wheels keep them.
set(MNN_LIBRARY_FOLDERS "${library_folder}" "${library_folder}/lib" "${library_folder}/mnn.libs")
set(MNN_INSTALLED "${library}" ${express_library})
# Other back ends than the CPU are libraries of their own, which nothing needs: the runner loads the
# one that it is asked for.
foreach(name libMNN_CL.so libMNN_Vulkan.so)
  if(EXISTS "${library_folder}/${name}")
    list(APPEND MNN_INSTALLED "${library_folder}/${name}")
  endif()
endforeach()
set(pending ${MNN_INSTALLED})
while(pending)
  list(POP_FRONT pending next)
  execute_process(COMMAND "${CMAKE_READELF}" -d "${next}" OUTPUT_VARIABLE dynamic ERROR_QUIET)
  string(REGEX MATCHALL "\\(NEEDED\\)[^\n]*\\[[^]\n]+\\]" needed "${dynamic}")
  foreach(entry IN LISTS needed)
    string(REGEX REPLACE ".*\\[(.*)\\]" "\\1" name "${entry}")
    foreach(folder IN LISTS MNN_LIBRARY_FOLDERS)
      # The NDK's libc++ is installed anyway; releases of MNN have one too.
      if(EXISTS "${folder}/${name}" AND NOT name STREQUAL "libc++_shared.so" AND NOT "${folder}/${name}" IN_LIST MNN_INSTALLED)
        list(APPEND MNN_INSTALLED "${folder}/${name}")
        list(APPEND pending "${folder}/${name}")
      endif()
    endforeach()
  endforeach()
endwhile()

add_library(MNN INTERFACE)
target_include_directories(MNN SYSTEM INTERFACE "${include_folder}")
# By name: the wheel's engine has no SONAME, so the program would record its path.
target_link_options(MNN INTERFACE
  "-L${library_folder}" "-Wl,--allow-shlib-undefined")
if(express_library)
  target_link_libraries(MNN INTERFACE "-l:libMNN_Express.so")
endif()
target_link_libraries(MNN INTERFACE "-l:${library_name}")
if(NOT ANDROID)
  # RPATH also applies to the libraries that MNN needs, RUNPATH does not. Android has only RUNPATH.
  target_link_options(MNN INTERFACE "-Wl,--disable-new-dtags")
endif()
message(STATUS "MNN ${MNN_VERSION}: ${library} (C++ ABI of before GCC 5: ${old_abi})")
