SELECT remove_sensor_event_reference('predictions', 'triggering_event_id');
DROP TABLE predictions;
