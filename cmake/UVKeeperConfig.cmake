# find_package(UVKeeper) for what `cmake --install` installed: UVKeeper::UVLoop, ::UVLoopAsync,
# ::KeeperProtocol, ::UVKeeper, ::UVKeeperAsync, ::KeeperSidecar and ::Logging, static libraries for the Swift compiler that built them.
include(CMakeFindDependencyMacro)
find_dependency(PkgConfig)
pkg_check_modules(UVKeeper_UV REQUIRED IMPORTED_TARGET "libuv>=1.44")

get_filename_component(UVKeeper_DIRECTORY "${CMAKE_CURRENT_LIST_DIR}/../../uvkeeper" ABSOLUTE)
foreach(module Logging UVLoop UVLoopAsync KeeperProtocol UVKeeper UVKeeperAsync KeeperSidecar)
    if(NOT TARGET UVKeeper::${module})
        add_library(UVKeeper::${module} STATIC IMPORTED)
        set_target_properties(UVKeeper::${module} PROPERTIES
            IMPORTED_LOCATION "${UVKeeper_DIRECTORY}/lib${module}.a"
            IMPORTED_LINK_INTERFACE_LANGUAGES Swift
            INTERFACE_INCLUDE_DIRECTORIES "${UVKeeper_DIRECTORY}/swift;${UVKeeper_DIRECTORY}/CLibUV"
        )
    endif()
endforeach()
target_link_libraries(UVKeeper::UVLoop INTERFACE PkgConfig::UVKeeper_UV)
target_link_libraries(UVKeeper::KeeperProtocol INTERFACE UVKeeper::UVLoop)
target_link_libraries(UVKeeper::UVKeeper INTERFACE UVKeeper::UVLoop UVKeeper::KeeperProtocol UVKeeper::Logging)
target_link_libraries(UVKeeper::KeeperSidecar INTERFACE UVKeeper::UVLoop UVKeeper::KeeperProtocol)
target_link_libraries(UVKeeper::UVLoopAsync INTERFACE UVKeeper::UVLoop)
target_link_libraries(UVKeeper::UVKeeperAsync INTERFACE UVKeeper::UVKeeper UVKeeper::UVLoopAsync)
