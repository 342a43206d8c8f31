include(${CMAKE_CURRENT_LIST_DIR}/trainer_model.cmake) # engine, model, step
include(${CMAKE_CURRENT_LIST_DIR}/trainer_data.cmake)  # graph, stimulus, simulator, data sets
include(${CMAKE_CURRENT_LIST_DIR}/trainer_run.cmake)   # metrics, training loop, programs
