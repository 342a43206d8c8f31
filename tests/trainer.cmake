include(${CMAKE_CURRENT_LIST_DIR}/trainer_c.cmake OPTIONAL) # engine, model, step
include(${CMAKE_CURRENT_LIST_DIR}/trainer_d.cmake OPTIONAL) # graph, stimulus, simulator, data
include(${CMAKE_CURRENT_LIST_DIR}/trainer_e.cmake OPTIONAL) # metrics, training loop, programs
