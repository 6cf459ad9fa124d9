# cmake -DWHERRYD=PROGRAM -DMODULES="kv ..." -DMODULE_DIR=DIR -DINTO=DIR -P pages.cmake: writes what wherryd can write.

function(write name)
	execute_process(COMMAND ${WHERRYD} ${ARGN} OUTPUT_FILE ${INTO}/${name} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

set(all --set module_dir=${MODULE_DIR} --set modules=${MODULES})
write(wherryd.8 --man)
write(wherry.conf.5 ${all} --man-config)
write(wherry-commands.7 ${all} --print-commands=man)
write(COMMANDS.md ${all} --print-commands=md)
write(wherry.conf --print-config)
