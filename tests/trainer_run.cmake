# Metrics, training loop, checkpoints, config, programs.
cn_test(test_fly_metrics DEPS fly base)
cn_test(test_fly_observe DEPS fly test_support base PRIVATE_LIBS m)
cn_test(test_run_config DEPS run fly base)
cn_test(test_run_describe DEPS run fly base)
foreach(name test_fly_checkpoint test_fly_train)
    cn_test(${name} DEPS fly engine base LABELS full TIMEOUT 300)
endforeach()
# The program as people call it: run, stop, kill, resume, refuse.
foreach(name train_run train_stop train_resume train_refuse)
    cn_script_test(e2e_${name} COMMAND bash tests/e2e/${name}.sh LABELS e2e TIMEOUT 300)
endforeach()
