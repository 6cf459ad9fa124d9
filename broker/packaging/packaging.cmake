# What an installation has besides programs and libraries: manual pages and the default configuration, which wherryd
# writes from its tables, the systemd unit, logrotate's snippet.

set(packaging ${CMAKE_CURRENT_LIST_DIR})
set(written ${CMAKE_BINARY_DIR}/share)
get_property(module_names GLOBAL PROPERTY WHERRY_MODULES)
string(REPLACE ";" " " module_words "${module_names}")

# A program that is built for another machine, or under a sanitizer, may not run here.
if(NOT CMAKE_CROSSCOMPILING AND NOT WHERRY_SANITIZE AND NOT WHERRY_FUZZ)
	file(MAKE_DIRECTORY ${written})
	add_custom_command(OUTPUT ${written}/wherryd.8 ${written}/wherry.conf.5 ${written}/wherry-commands.7
			${written}/wherry.conf ${written}/COMMANDS.md
		COMMAND ${CMAKE_COMMAND} -DWHERRYD=$<TARGET_FILE:wherryd> "-DMODULES=${module_words}"
			-DMODULE_DIR=${WHERRY_MODULE_OUTPUT} -DINTO=${written} -P ${packaging}/pages.cmake
		DEPENDS wherryd ${module_names} ${packaging}/pages.cmake
		COMMENT "Manual pages, from wherryd's tables" VERBATIM)
	add_custom_target(pages ALL DEPENDS ${written}/wherryd.8)
	# cmake --build BUILD --target commands: after a command changed.
	add_custom_target(commands DEPENDS pages
		COMMAND ${CMAKE_COMMAND} -E copy ${written}/COMMANDS.md ${CMAKE_SOURCE_DIR}/modules/COMMANDS.md)
	install(FILES ${written}/wherryd.8 DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
	install(FILES ${written}/wherry.conf.5 DESTINATION ${CMAKE_INSTALL_MANDIR}/man5)
	install(FILES ${written}/wherry-commands.7 DESTINATION ${CMAKE_INSTALL_MANDIR}/man7)
	install(FILES ${written}/wherry.conf DESTINATION ${CMAKE_INSTALL_DOCDIR})
endif()

install(FILES ${packaging}/wherry.logrotate DESTINATION ${CMAKE_INSTALL_DOCDIR})

# Where it is installed is known only then: cmake --install BUILD --prefix DIR.
install(CODE "
	set(SYSCONFDIR \${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_SYSCONFDIR})
	if(CMAKE_INSTALL_PREFIX STREQUAL \"/usr\")
		set(SYSCONFDIR /etc)
	endif()
	set(BINDIR \${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR})
	set(unit \$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/lib/systemd/system/wherry.service)
	configure_file(${packaging}/wherry.service.in \${unit} @ONLY)
	message(STATUS \"Installing: \${unit}\")
	set(conf \$ENV{DESTDIR}\${SYSCONFDIR}/wherry/wherry.conf)
	if(NOT EXISTS \${conf} AND EXISTS ${written}/wherry.conf)
		file(INSTALL ${written}/wherry.conf DESTINATION \$ENV{DESTDIR}\${SYSCONFDIR}/wherry)
	endif()
" COMPONENT service)
